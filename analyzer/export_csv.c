/* CSV by RFC 4180: a header, then a row for each stack, allocator and thread; rows end with CR LF,
 * and a cell with a comma or a quote in it stands in quotes. Why the apostrophe before cells that
 * begin with `=`, `+`, `-` or `@`, full-width ones too: a spreadsheet would take a function's name
 * for a formula. What a measure does not have is an empty cell. */
#include "analyzer/export.h"

#include "analyzer/glyph.h"
#include "format/error.h"
#include <inttypes.h>
#include <string.h>

static const char header[] = "bytes,resident_bytes,allocations,allocator,pid,thread,tid,function,"
                             "file,line,stack\r\n";

/* The inside of a cell in quotes. */
static void put_quoted(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
}

static bool is_formula(const char *text)
{
    static const char *const starts[] = {"=", "+", "-", "@", "＝", "＋", "－", "＠"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        if (!strncmp(text, starts[i], strlen(starts[i])))
            return true;
    return false;
}

static void put_cell(FILE *out, const char *text)
{
    bool quotes = strpbrk(text, ",\"");
    fputs(quotes ? ",\"" : ",", out);
    if (is_formula(text))
        fputc('\'', out);
    put_quoted(out, text);
    if (quotes)
        fputc('"', out);
}

static void put_thread(const struct exporter *e, const struct lane *lane)
{
    struct model *m = &e->report.rec->replay.model;
    const struct process *p = model_process_at(m, lane->process);
    const struct thread *t = model_thread(m, lane->thread);
    char name[256];
    size_t used = 0;
    name[0] = 0;
    glyph_append(name, sizeof name, &used, t->name->bytes, t->name->length, false);
    put_cell(e->out, allocator_name(lane->allocator));
    fputc(',', e->out);
    if (p)
        fprintf(e->out, "%u", p->pid);
    put_cell(e->out, name);
    fputc(',', e->out);
    if (t->defined)
        fprintf(e->out, "%u", t->tid);
}

/* A frame in the last cell. */
static void write_frame(struct exporter *e, uint32_t frame, FILE *out)
{
    const struct shown *shown = &e->shown;
    (void)frame;
    put_quoted(out, shown->function);
    if (!shown->file[0])
        return;
    fputs(" (", out);
    put_quoted(out, shown->file);
    if (shown->line)
        fprintf(out, ":%" PRIu64, shown->line);
    fputc(')', out);
}

static void put_innermost(struct exporter *e)
{
    export_frame(e, e->callers.frames[0]);
    put_cell(e->out, e->shown.function);
    put_cell(e->out, e->shown.file);
    fputc(',', e->out);
    if (e->shown.line)
        fprintf(e->out, "%" PRIu64, e->shown.line);
}

/* The innermost frame in cells of its own, then all of them in one. */
static int put_frames(struct exporter *e)
{
    const struct callers *c = &e->callers;
    put_innermost(e);
    fputs(",\"", e->out);
    for (size_t depth = c->depth; depth--;) {
        const char *text = export_text(e, c->frames[depth], write_frame);
        if (!text)
            return -ERR_NOMEM;
        if (depth + 1 == c->depth && is_formula(text))
            fputc('\'', e->out);
        fputs(text, e->out);
        if (depth)
            fputc(';', e->out);
    }
    fputs("\"\r\n", e->out);
    return 0;
}

int export_csv(struct exporter *e)
{
    const struct sites *sites = &e->report.rec->replay.sites;
    bool resident = e->measure == MEASURE_MOMENT || e->measure == MEASURE_LEAKS;
    struct selection s;
    int rc = 0;
    fputs(header, e->out);
    for (selection_start(&s, &e->report, e->measure); !rc && selection_next(&s);) {
        rc = export_stack(e, site_stack(sites, s.site));
        if (rc)
            break;
        fprintf(e->out, "%" PRIu64 ",", s.values.bytes);
        if (resident)
            fprintf(e->out, "%" PRIu64, s.values.resident_bytes);
        fprintf(e->out, ",%" PRIu64, s.values.count);
        put_thread(e, site_lane(sites, s.site));
        rc = put_frames(e);
    }
    return rc;
}
