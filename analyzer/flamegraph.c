/* `memreplay flamegraph`: a recording as one page that opens anywhere. Why a tool and no report: it
 * writes a file of its own, beside the trace where nothing else is said. Invariants: the page stays
 * below its budget; what does not fit is folded, with its sum. Not here: the data
 * (flamegraph_data.h), the page's sources (analyzer/web). */
#include "analyzer/flamegraph_data.h"
#include "analyzer/flamegraph_svg.h"
#include "analyzer/flamegraph_time.h"
#include "analyzer/glyph.h"
#include "analyzer/output.h"
#include "analyzer/page.h"
#include "analyzer/quantity.h"
#include "analyzer/tool.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_BUDGET_BYTES 2900000u /* of the 3 MB that are promised */
#define NODES_AT_FIRST    40000u
#define NODES_AT_LEAST    500u
#define MOMENTS_AT_FIRST  320u
#define MOMENTS_AT_LEAST  20u
#define PICTURE_NODES     6000u
#define PICTURE_LEAST     0.00025f /* a third of a pixel */
#define LEAST_SCORE       1e-5f    /* a hundredth of a per mille of any measure's total */

static const char *const scripts[] = {web_format_js,     web_data_js,
                                      web_tree_js,       web_color_js,
                                      web_flame_js,      web_svg_js,
                                      web_search_js,     web_theme_js,
                                      web_table_js,      web_source_js,
                                      web_timeline_js,   web_history_js,
                                      web_flamegraph_js, 0};

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

static const enum measure measures[] = {MEASURE_MOMENT, MEASURE_LEAKS, MEASURE_TEMPORARY};

static int build(struct graph *g, const struct report *report, const uint64_t *highest,
                 uint32_t nodes)
{
    const struct graph_limits limits = {
        .nodes = nodes,
        .least_score = LEAST_SCORE,
        .highest_bytes = highest,
        .highest_of_bytes = report->rec->replay.moment.bytes,
        .measures = measures,
        .measure_count = sizeof measures / sizeof *measures,
    };
    return graph_build(g, report, &limits);
}

/* Adds the history with as many moments as fit into the room. Returns 0, 1 where not even few do,
 * or -ERR_NOMEM. */
static int pack_history(struct pack *p, const struct flamegraph *f, size_t room_bytes)
{
    size_t before = p->used;
    for (uint32_t moments = MOMENTS_AT_FIRST; moments >= MOMENTS_AT_LEAST; moments /= 2) {
        int rc = flamegraph_pack_history(p, f, moments);
        if (rc || pack_written_bytes(p) < room_bytes)
            return rc;
        p->used = before;
    }
    return 1;
}

static int pack_source(struct pack *p, const struct flamegraph *f)
{
    const struct recording *rec = f->report->rec;
    struct code code;
    if (f->report->options->no_source)
        return 0;
    int rc =
        code_read(&code, f->graph, &rec->replay.model.symbols, rec->file.header->started_unix_ns);
    rc = rc ? rc : code_pack(&code, p);
    code_release(&code);
    return rc;
}

/* One try with so many nodes. Returns as pack_history. */
static int pack_for(struct pack *p, struct flamegraph *f, const uint64_t *highest, uint32_t nodes,
                    size_t room_bytes)
{
    struct graph graph;
    int rc = build(&graph, f->report, highest, nodes);
    f->graph = &graph;
    rc = rc ? rc : flamegraph_pack(p, f);
    rc = rc ? rc : pack_source(p, f);
    rc = rc ? rc : flamegraph_pack_lines(p, f);
    rc = rc ? rc : pack_history(p, f, room_bytes);
    graph_release(&graph);
    f->graph = 0;
    return rc;
}

/* Folds more and more until the page fits its budget. Where nothing helps (a thousand threads with
 * a hundred marks), the last try without a history it is. */
static int pack_to_fit(struct pack *p, struct flamegraph *f, size_t beside_bytes)
{
    uint64_t *highest = flamegraph_highest(&f->report->rec->replay);
    int rc = highest ? 1 : -ERR_NOMEM;
    for (uint32_t nodes = NODES_AT_FIRST; rc > 0 && nodes >= NODES_AT_LEAST; nodes /= 2) {
        pack_release(p);
        rc = pack_for(p, f, highest, nodes, PAGE_BUDGET_BYTES - beside_bytes);
    }
    free(highest);
    return rc < 0 ? rc : 0;
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

static void make_subtitle(const struct report *report, enum measure measure, uint64_t bytes,
                          char *out, size_t capacity)
{
    const struct options *o = report->options;
    const char *what = "held at the peak";
    if (o->from.kind != WHEN_NONE || o->to.kind != WHEN_NONE)
        what = "held at the maximum of the window";
    else if (o->at.kind != WHEN_NONE && o->at.kind != WHEN_PEAK)
        what = "held";
    if (measure == MEASURE_LEAKS)
        snprintf(out, capacity, "%s never freed", quantity_size(bytes).text);
    else if (measure == MEASURE_TEMPORARY)
        snprintf(out, capacity, "%s allocated and freed again at once", quantity_size(bytes).text);
    else
        snprintf(out, capacity, "%s %s, %s into %s", quantity_size(bytes).text, what,
                 quantity_time(report->rec->replay.moment.time_ns).text,
                 quantity_time(report->rec->duration_ns).text);
}

/* Draws a graph that was built. */
static int draw(const struct options *o, struct report *report, const struct graph *graph,
                enum measure measure, FILE *out)
{
    char title[400], subtitle[200];
    struct code code = {0};
    struct picture picture;
    const struct recording *rec = report->rec;
    struct flamegraph_svg svg = {report, graph,   &picture, o->no_source ? 0 : &code,
                                 title,  subtitle};
    int rc = picture_make(&picture, report, graph, measure, o->inverted, PICTURE_LEAST);
    if (!rc && !o->no_source)
        rc = code_read(&code, graph, &rec->replay.model.symbols, rec->file.header->started_unix_ns);
    if (!rc) {
        make_title(report, title, sizeof title);
        make_subtitle(report, measure, picture.items[0].bytes, subtitle, sizeof subtitle);
        flamegraph_svg(&svg, out);
    }
    code_release(&code);
    picture_release(&picture);
    return rc;
}

static int write_picture(const struct options *o, struct report *report, FILE *out)
{
    enum measure measure = o->leaks       ? MEASURE_LEAKS
                           : o->temporary ? MEASURE_TEMPORARY
                                          : MEASURE_MOMENT;
    const struct graph_limits limits = {.nodes = PICTURE_NODES,
                                        .least_score = PICTURE_LEAST,
                                        .measures = &measure,
                                        .measure_count = 1,
                                        .skip_imports = true};
    struct graph graph;
    report->options = o;
    int rc = graph_build(&graph, report, &limits);
    rc = rc ? rc : draw(o, report, &graph, measure, out);
    graph_release(&graph);
    return rc;
}

/* Writes and tells where. o: with the output filled in. */
static int write_output(const struct options *o, struct recording *rec, struct work *work,
                        struct err *err)
{
    struct options all = *o;
    struct report report;
    struct output out;
    int rc = output_open(&out, o, err);
    if (rc)
        return rc;
    all.thread = 0;
    report_init(&report, &all, rec, out.file);
    rc = o->svg ? write_picture(o, &report, out.file) : write_page(o, &report, out.file);
    if (rc)
        err_set(err, ERR_NOMEM, "out of memory");
    rc = output_close(&out, rc, err);
    if (!rc)
        output_tell(o, work->notes);
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
