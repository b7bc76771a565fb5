/* `memreplay flamegraph`: a recording as one page that opens anywhere. Why a tool and no report: it
 * writes a file of its own, beside the trace where nothing else is said. Invariants: the page stays
 * below its budget; what does not fit is folded, with its sum. Not here: the data
 * (flamegraph_data.h), the page's sources (analyzer/web). */
#include "analyzer/flamegraph_data.h"
#include "analyzer/glyph.h"
#include "analyzer/page.h"
#include "analyzer/tool.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_BUDGET_BYTES 2900000u /* of the 3 MB that are promised */
#define NODES_AT_FIRST    60000u
#define NODES_AT_LEAST    500u
#define LEAST_SCORE       1e-5f /* a hundredth of a per mille of any measure's total */

static const char *const scripts[] = {web_format_js,
                                      web_data_js,
                                      web_tree_js,
                                      web_color_js,
                                      web_flame_js,
                                      web_svg_js,
                                      web_search_js,
                                      web_theme_js,
                                      web_table_js,
                                      web_source_js,
                                      web_timeline_js,
                                      web_flamegraph_js,
                                      0};

/* Where it goes without -o: beside the trace, its ending replaced. */
static int default_output(const struct options *o, char out[PATH_MAX], struct err *err)
{
    const char *ending = o->svg ? ".svg" : ".html", *slash = strrchr(o->trace, '/');
    const char *dot = strrchr(o->trace, '.');
    size_t stem =
        dot && dot > (slash ? slash + 1 : o->trace) ? (size_t)(dot - o->trace) : strlen(o->trace);
    if (!strcmp(o->trace, "-"))
        return err_set(err, ERR_USAGE,
                       "there is no folder to write beside stdin; say -o FILE, or -o - for stdout");
    if (snprintf(out, PATH_MAX, "%.*s%s", (int)stem, o->trace, ending) >= PATH_MAX)
        return err_set(err, ERR_USAGE, "the name of the trace is too long; say -o FILE");
    return 0;
}

static void make_title(const struct report *report, char *out, size_t capacity)
{
    const struct trace_header *h = report->rec->file.header;
    size_t used = 0;
    out[0] = 0;
    for (uint32_t i = 0; i < h->argument_count && used + 64 < capacity; i++) {
        const struct text *a = &h->arguments[i];
        const char *slash = a->length ? memrchr(a->bytes, '/', a->length) : 0;
        uint32_t skip = slash && i < 2 ? (uint32_t)(slash + 1 - a->bytes) : 0;
        glyph_append(out, capacity - 32, &used, i ? " " : "", i > 0, false);
        glyph_append(out, capacity - 32, &used, a->bytes + skip, a->length - skip, false);
    }
    snprintf(out + used, capacity - used, "%smemory", used ? " \xc2\xb7 " : "");
}

/* Builds and packs for at most so many nodes. */
static int pack_for(struct pack *p, const struct flamegraph *wanted, uint32_t nodes)
{
    static const enum measure measures[] = {MEASURE_MOMENT, MEASURE_LEAKS, MEASURE_TEMPORARY};
    const struct graph_limits limits = {
        .nodes = nodes, .least_score = LEAST_SCORE, .measures = measures, .measure_count = 3};
    struct graph graph;
    struct flamegraph f = *wanted;
    int rc = graph_build(&graph, f.report, &limits);
    f.graph = &graph;
    rc = rc ? rc : flamegraph_pack(p, &f);
    graph_release(&graph);
    return rc;
}

/* Folds more and more until the page fits its budget. */
static int pack_to_fit(struct pack *p, const struct flamegraph *f, size_t beside_bytes)
{
    for (uint32_t nodes = NODES_AT_FIRST;; nodes /= 2) {
        int rc = pack_for(p, f, nodes);
        if (rc || nodes < NODES_AT_LEAST ||
            pack_written_bytes(p) + beside_bytes < PAGE_BUDGET_BYTES)
            return rc;
        pack_release(p);
    }
}

static int write_page(const struct options *o, struct report *report, FILE *out)
{
    char title[400];
    struct pack data = {0};
    struct page page = {title, web_flamegraph_html, scripts, &data};
    struct flamegraph f = {.report = report, .thread = o->thread};
    make_title(report, title, sizeof title);
    int rc = pack_to_fit(&data, &f, page_frame_bytes(&page));
    rc = rc ? rc : page_write(&page, out);
    pack_release(&data);
    return rc;
}

/* Writes and tells where. o: with the output filled in. */
static int write_output(const struct options *o, struct recording *rec, struct work *work,
                        struct err *err)
{
    struct options all = *o;
    struct report report;
    FILE *out = output_open(o, err);
    if (!out)
        return err->code;
    all.thread = 0;
    report_init(&report, &all, rec, out);
    int rc = write_page(o, &report, out);
    if (rc)
        err_set(err, ERR_NOMEM, "out of memory");
    int closed = output_close(o, out, err);
    rc = rc ? rc : closed;
    if (!rc && strcmp(o->output, "-"))
        fprintf(work->notes, "wrote %s\n", o->output);
    return rc;
}

int flamegraph_run(const struct options *options, struct work *work, struct err *err)
{
    char beside[PATH_MAX];
    struct options o = *options;
    struct recording *rec = 0;
    int rc = o.output ? 0 : default_output(&o, beside, err);
    o.output = o.output ? o.output : beside;
    rec = rc ? 0 : calloc(1, sizeof *rec);
    if (!rec)
        return rc ? rc : err_set(err, ERR_NOMEM, "out of memory");
    rc = recording_open(rec, o.trace, err);
    rc = rc ? rc : recording_replay(rec, &o, work->progress, work->context, err);
    rc = rc ? rc : write_output(&o, rec, work, err);
    if (!rc) {
        report_notes(rec, "memreplay: note: ", work->notes);
        work->damaged = rec->file.damage_count > 0;
    }
    recording_close(rec);
    free(rec);
    return rc;
}
