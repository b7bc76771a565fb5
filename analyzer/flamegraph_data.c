/* Packing the flame graph page's sections (flamegraph_data.h). Why functions and threads are
 * numbered anew: most numbers then take one byte. */
#include "analyzer/flamegraph_data.h"

#include "analyzer/holdings.h"
#include "analyzer/trace_json.h"
#include <stdlib.h>
#include <string.h>

/* Numbers in use, without gaps: the new one is the place among the old ones. Why no table by old
 * number: a damaged trace's may be anything. */
struct renumbered {
    uint32_t *old; /* rising */
    uint32_t count;
};

struct packing {
    const struct flamegraph *f;
    const struct replay *replay;
    struct renumbered functions, threads;
};

static int by_number(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

/* Sorts what was put into r->old, r->count of it, and takes out what stands there twice. */
static void renumber_sort(struct renumbered *r)
{
    uint32_t kept = 0;
    qsort(r->old, r->count, sizeof *r->old, by_number);
    for (uint32_t i = 0; i < r->count; i++)
        if (!i || r->old[i] != r->old[i - 1])
            r->old[kept++] = r->old[i];
    r->count = kept;
}

static uint32_t renumber(const struct renumbered *r, uint32_t old)
{
    const uint32_t *found = bsearch(&old, r->old, r->count, sizeof old, by_number);
    return (uint32_t)(found - r->old);
}

static const struct symbols *symbols_of(const struct packing *k)
{
    return &k->replay->model.symbols;
}

static uint32_t first_line(const struct packing *k, uint32_t function)
{
    const struct function *f = symbols_function(symbols_of(k), function);
    return f ? f->first_line : 0;
}

static struct pack pack_nodes(const struct packing *k)
{
    struct pack p = {0};
    const struct graph *g = k->f->graph;
    for (uint32_t i = 1; i < g->node_count; i++) {
        const struct graph_node *n = &g->nodes[i];
        uint32_t up = g->nodes[i - 1].depth + 1 - n->depth;
        pack_number(&p, n->kind + 8 * (uint64_t)up);
        if (n->kind == GRAPH_FRAME) {
            pack_number(&p, renumber(&k->functions, n->function));
            pack_signed(&p, (int64_t)(n->line - first_line(k, n->function)));
        } else if (n->kind == GRAPH_SMALL) {
            pack_number(&p, n->folded);
        }
    }
    return p;
}

static struct pack pack_entries(const struct packing *k)
{
    struct pack p = {0};
    const struct graph *g = k->f->graph;
    for (uint32_t i = 0, node = 0; i < g->entry_count; i++) {
        pack_number(&p, g->entries[i].node - node);
        node = g->entries[i].node;
        pack_number(&p, renumber(&k->threads, g->entries[i].thread));
    }
    return p;
}

static struct pack pack_column(const struct packing *k, enum measure measure)
{
    struct pack p = {0};
    const struct graph *g = k->f->graph;
    struct site_values *sums = calloc(g->entry_count + 1ul, sizeof *sums);
    p.failed = !sums;
    for (uint32_t site = 1; sums && site < k->replay->sites.count; site++) {
        uint32_t entry = g->entry_of_site[site];
        if (entry == GRAPH_NO_ENTRY)
            continue;
        struct site_values v = measure_values(&k->replay->sites, measure, site);
        sums[entry].bytes += v.bytes;
        sums[entry].count += v.count;
        sums[entry].resident_bytes += v.resident_bytes;
    }
    for (uint32_t i = 0, last = 0; sums && i < g->entry_count; i++) {
        if (!sums[i].bytes && !sums[i].count)
            continue;
        pack_number(&p, i - last);
        last = i;
        pack_number(&p, sums[i].bytes);
        pack_number(&p, sums[i].count);
        pack_number(&p, sums[i].bytes - sums[i].resident_bytes);
    }
    free(sums);
    return p;
}

/* What colours and the switches that hide go by; the order is known to data.js. */
enum category { PROGRAM, LIBRARY, IMPORT, NATIVE };

static enum category category_of(const struct symbols *s, uint32_t id)
{
    const struct function *f = symbols_function(s, id);
    if (f && f->kind != FUNCTION_PYTHON)
        return NATIVE;
    if (frame_import(s, id))
        return IMPORT;
    return frame_library(s, id) ? LIBRARY : PROGRAM;
}

/* Five items each: name, file (as shown), whole path or null where that is the same, package, and
 * one number: category + 8 × the first line. Equal texts compress to nothing. */
static void json_functions(struct json *j, const struct packing *k)
{
    const struct symbols *s = symbols_of(k);
    const struct frame_style style = {false, k->f->report->frames.home};
    json_array(j, "functions");
    for (uint32_t i = 0; i < k->functions.count; i++) {
        char text[4096];
        uint32_t id = k->functions.old[i];
        const struct function *f = symbols_function(s, id);
        json_flat_array(j, 0);
        frame_function(text, sizeof text, s, id, 0, &style);
        json_string(j, 0, text);
        frame_place(text, sizeof text, s, id, 0, &style);
        json_string(j, 0, text);
        json_text(j, 0, f ? f->file->bytes : "", f ? f->file->length : 0);
        frame_package(text, sizeof text, s, id, &style);
        json_string(j, 0, text);
        json_number(j, 0, category_of(s, id) + 8 * (uint64_t)first_line(k, id));
        json_end_array(j);
    }
    json_end_array(j);
}

/* The position of a process among "processes"; their count where it is not there. */
static uint32_t process_position(const struct packing *k, const struct process *wanted)
{
    uint32_t position = 0;
    for (uint32_t i = 0; i < k->replay->model.processes.limit; i++) {
        const struct process *p = model_process_at(&k->replay->model, i);
        if (p == wanted)
            break;
        position += p && p->in_scope;
    }
    return position;
}

static void json_threads(struct json *j, struct packing *k)
{
    const struct flamegraph *f = k->f;
    json_array(j, "threads");
    for (uint32_t i = 0; i < k->threads.count; i++) {
        uint32_t id = k->threads.old[i];
        struct thread *t = sparse_get(&k->replay->model.threads, id);
        json_flat_object(j, 0);
        if (t && t->defined) {
            json_number(j, "tid", t->tid);
            json_text(j, "name", t->name->bytes, t->name->length);
            json_number(j, "process", process_position(k, t->process));
        }
        if (f->thread)
            json_bool(j, "chosen", recording_thread_is(f->report->rec, id, f->thread));
        json_end_object(j);
    }
    json_end_array(j);
}

static void json_sums(struct json *j, const char *key, const struct report *report,
                      enum measure measure)
{
    struct site_values total = selection_total(report, measure);
    json_flat_object(j, key);
    json_number(j, "bytes", total.bytes);
    json_number(j, "allocations", total.count);
    json_number(j, "resident_bytes", total.resident_bytes);
    json_end_object(j);
}

static void json_options(struct json *j, const struct report *report)
{
    const struct options *o = report->options;
    json_flat_object(j, "options");
    json_string(j, "view", o->leaks ? "leak" : o->temporary ? "temp" : "held");
    json_bool(j, "inverted", o->inverted);
    json_string(j, "frames", layers_word(o->layers));
    if (o->from.kind != WHEN_NONE || o->to.kind != WHEN_NONE) {
        json_number(j, "from_ns", report->rec->replay.window.from_ns);
        json_number(j, "to_ns", report->rec->replay.window.to_ns);
    }
    if (report->rec->replay.stopped)
        json_number(j, "until_ns", report->rec->replay.moment.time_ns);
    json_bool(j, "apart", report->rec->replay.options.moment.window.apart);
    json_bool(j, "closes", report->rec->replay.options.moment.kind == MOMENT_CLOSE);
    json_bool(j, "window", o->from.kind != WHEN_NONE || o->to.kind != WHEN_NONE);
    json_bool(j, "at", o->at.kind != WHEN_NONE && o->at.kind != WHEN_PEAK);
    json_number(j, "threshold", o->threshold);
    json_end_object(j);
}

/* What a reader must know beside the picture, a sentence each. */
static void json_notes(struct json *j, const struct recording *rec)
{
    char *text = 0;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (out) {
        report_notes(rec, "", out);
        fclose(out);
    }
    json_array(j, "notes");
    for (char *line = text, *end; line && (end = strchr(line, '\n')); line = end + 1)
        json_text(j, 0, line, (size_t)(end - line));
    json_end_array(j);
    free(text);
}

/* The maximum over all time; the moment's where there is no history. */
static void json_peak(struct json *j, const struct replay *r)
{
    const struct history *h = &r->history;
    uint64_t bytes = h->tick_count ? 0 : r->moment.bytes;
    uint64_t time_ns = h->tick_count ? 0 : r->moment.time_ns;
    for (uint32_t i = 0; i < h->tick_count; i++)
        if (h->ticks[i].high_bytes > bytes) {
            bytes = h->ticks[i].high_bytes;
            time_ns = h->ticks[i].high_ns;
        }
    json_flat_object(j, "peak");
    json_number(j, "bytes", bytes);
    json_number(j, "time_ns", time_ns);
    json_end_object(j);
}

static struct pack pack_meta(struct packing *k)
{
    struct pack p = {0};
    char *text = 0;
    size_t length = 0;
    struct json j;
    const struct report *report = k->f->report;
    FILE *out = open_memstream(&text, &length);
    struct holdings h = holdings_at_moment(report);
    p.failed = !out;
    if (!out)
        return p;
    json_init(&j, out);
    json_report(&j, report);
    json_notes(&j, report->rec);
    json_options(&j, report);
    holdings_json(&j, "moment", &h);
    json_peak(&j, k->replay);
    json_sums(&j, "leak", report, MEASURE_LEAKS);
    json_sums(&j, "temp", report, MEASURE_TEMPORARY);
    json_processes(&j, report);
    json_threads(&j, k);
    trace_marks_json(&j, &k->replay->model);
    json_number(&j, "folded", k->f->graph->folded);
    json_functions(&j, k);
    json_end_object(&j);
    p.failed = fclose(out) != 0;
    pack_bytes(&p, text, length);
    free(text);
    return p;
}

static int renumber_all(struct packing *k)
{
    const struct graph *g = k->f->graph;
    k->functions.old = malloc((g->node_count + 1ul) * sizeof(uint32_t));
    k->threads.old = malloc((g->entry_count + 1ul) * sizeof(uint32_t));
    if (!k->functions.old || !k->threads.old)
        return -ERR_NOMEM;
    for (uint32_t i = 0; i < g->node_count; i++)
        if (g->nodes[i].kind == GRAPH_FRAME)
            k->functions.old[k->functions.count++] = g->nodes[i].function;
    for (uint32_t i = 0; i < g->entry_count; i++)
        k->threads.old[k->threads.count++] = g->entries[i].thread;
    renumber_sort(&k->functions);
    renumber_sort(&k->threads);
    return 0;
}

int flamegraph_pack(struct pack *p, const struct flamegraph *f)
{
    struct packing k = {.f = f, .replay = &f->report->rec->replay};
    struct pack nodes, entries, column, meta;
    int rc = renumber_all(&k);
    if (!rc) {
        nodes = pack_nodes(&k);
        pack_section(p, "node", &nodes);
        entries = pack_entries(&k);
        pack_section(p, "entr", &entries);
        meta = pack_meta(&k);
        pack_section(p, "meta", &meta);
        column = pack_column(&k, MEASURE_MOMENT);
        pack_section(p, "held", &column);
        column = pack_column(&k, MEASURE_LEAKS);
        pack_section(p, "leak", &column);
        column = pack_column(&k, MEASURE_TEMPORARY);
        pack_section(p, "temp", &column);
    }
    free(k.functions.old);
    free(k.threads.old);
    return rc || p->failed ? -ERR_NOMEM : 0;
}
