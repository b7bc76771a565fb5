/* `memreplay export`: what a report tells, for other tools. Why a tool and not a report: which
 * format, and that pprof's bytes are nothing for a terminal, is settled before anything is read.
 * Not here: the formats (export_*.c). */
#include "analyzer/export.h"
#include "analyzer/output.h"
#include "analyzer/tool.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct format {
    const char *name;
    int (*write)(struct exporter *e);
    bool binary;
};

static const struct format formats[] = {{"pprof", export_pprof, true},
                                        {"speedscope", export_speedscope, false},
                                        {"folded", export_folded, false},
                                        {"csv", export_csv, false}};

static const struct format *find_format(const char *name)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (!strcmp(name, formats[i].name))
            return &formats[i];
    return 0;
}

const char *export_subject(const struct exporter *e)
{
    switch (e->measure) {
    case MEASURE_LEAKS: return "never freed";
    case MEASURE_TEMPORARY: return "freed at once";
    case MEASURE_TOTALS: return "allocated";
    default: return e->report.options->at.kind == WHEN_NONE ? "live at the peak" : "live";
    }
}

static int check_options(const struct options *o, const struct format **format, struct err *err)
{
    if (!o->format)
        return err_set(err, ERR_USAGE,
                       "which format? --format pprof, speedscope, folded or csv; for example: "
                       "memreplay export --format pprof -o heap.pb.gz trace.lz4");
    *format = find_format(o->format);
    if (!*format)
        return err_set(err, ERR_USAGE,
                       "there is no format %s; there are pprof, speedscope, folded and csv",
                       o->format);
    if (o->leaks + o->temporary + o->totals > 1)
        return err_set(err, ERR_USAGE, "--leaks, --temporary and --totals exclude each other");
    if ((*format)->binary && !o->output && isatty(STDOUT_FILENO))
        return err_set(err, ERR_USAGE, "%s is not for a terminal; give -o FILE", (*format)->name);
    return 0;
}

static enum measure measure_of(const struct options *o)
{
    return o->leaks       ? MEASURE_LEAKS
           : o->temporary ? MEASURE_TEMPORARY
           : o->totals    ? MEASURE_TOTALS
                          : MEASURE_MOMENT;
}

static int write_export(const struct options *o, struct recording *rec, const struct format *format,
                        struct err *err)
{
    struct output out;
    struct exporter *e = calloc(1, sizeof *e);
    if (!e)
        return err_set(err, ERR_NOMEM, "out of memory");
    int rc = output_open(&out, o, err);
    if (rc) {
        free(e);
        return rc;
    }
    report_init(&e->report, o, rec, out.file);
    rc = export_init(e, measure_of(o));
    rc = rc ? rc : format->write(e);
    if (rc)
        err_set(err, ERR_NOMEM, "out of memory");
    rc = output_close(&out, rc, err);
    export_release(e);
    free(e);
    return rc;
}

static int export_recording(const struct options *o, struct work *work, struct recording *rec,
                            const struct format *format, struct err *err)
{
    int rc = recording_open(rec, o->trace, err);
    rc = rc ? rc : recording_replay(rec, o, work->progress, work->context, err);
    rc = rc ? rc : write_export(o, rec, format, err);
    if (rc)
        return rc;
    report_notes(rec, "memreplay: note: ", work->notes);
    work->damaged = rec->file.damage_count;
    return 0;
}

int export_run(const struct options *o, struct work *work, struct err *err)
{
    const struct format *format = 0;
    int rc = check_options(o, &format, err);
    if (rc)
        return rc;
    struct recording *rec = calloc(1, sizeof *rec);
    if (!rec)
        return err_set(err, ERR_NOMEM, "out of memory");
    rc = export_recording(o, work, rec, format, err);
    recording_close(rec);
    free(rec);
    return rc;
}
