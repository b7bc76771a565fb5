/* Thinning the history for a page (flamegraph_time.h). Why the highest and the lowest of each
 * neighbourhood: with these, a saw's teeth stay teeth, and growth is measured from foot to foot. */
#include "analyzer/flamegraph_time.h"

#include <stdlib.h>

#define LINE_POINTS    1200u
#define LINE_PROCESSES 48u
#define MARKS_STORED   200u

struct level {
    uint64_t high, resident, rss;
};

/* How many ticks become one point. */
static uint32_t ticks_a_point(const struct history *h) { return h->tick_count / LINE_POINTS + 1; }

static void pack_change(struct pack *p, uint64_t now, uint64_t before)
{
    pack_signed(p, (int64_t)(now - before));
}

static void pack_level(struct pack *p, const struct level *now, const struct level *before)
{
    pack_change(p, now->high, before->high);
    pack_change(p, now->resident, before->resident);
    pack_change(p, now->rss, before->rss);
}

static void raise_level(struct level *l, uint64_t high, uint64_t resident, uint64_t rss)
{
    l->high = high > l->high ? high : l->high;
    l->resident = resident > l->resident ? resident : l->resident;
    l->rss = rss > l->rss ? rss : l->rss;
}

static struct pack pack_line(const struct history *h)
{
    struct pack p = {0};
    struct level last = {0};
    uint32_t step = ticks_a_point(h);
    uint64_t time_ns = 0;
    pack_number(&p, (h->tick_count + step - 1) / step);
    for (uint32_t from = 0; from < h->tick_count; from += step) {
        uint32_t end = from + step < h->tick_count ? from + step : h->tick_count;
        struct level now = {0};
        for (uint32_t i = from; i < end; i++)
            raise_level(&now, h->ticks[i].high_bytes, h->ticks[i].resident_bytes,
                        h->ticks[i].rss_high_bytes);
        pack_number(&p, h->ticks[end - 1].end_ns - time_ns);
        time_ns = h->ticks[end - 1].end_ns;
        pack_level(&p, &now, &last);
        last = now;
    }
    return p;
}

/* The points of one process: its rows tell changes, so between them it holds what it held. */
static void pack_process(struct pack *p, const struct history *h, uint32_t process)
{
    struct level last = {0}, held = {0};
    uint32_t step = ticks_a_point(h), row = 0;
    for (uint32_t from = 0; from < h->tick_count; from += step) {
        struct level now = held;
        for (; row < h->process_row_count && h->process_rows[row].tick < from + step; row++) {
            const struct history_process_row *r = &h->process_rows[row];
            if (r->process != process)
                continue;
            held = (struct level){r->live_bytes, r->resident_bytes, r->rss_bytes};
            raise_level(&now, r->high_bytes, r->resident_bytes, r->rss_bytes);
        }
        pack_level(p, &now, &last);
        last = now;
    }
}

struct ranked {
    uint64_t bytes;
    uint32_t position, process;
};

static int by_bytes(const void *a, const void *b)
{
    const struct ranked *left = a, *right = b;
    if (left->bytes != right->bytes)
        return left->bytes > right->bytes ? -1 : 1;
    return left->position < right->position ? -1 : 1;
}

/* The processes in scope, highest peak first; NULL when out of memory. */
static struct ranked *rank_processes(const struct model *m, uint32_t *count)
{
    uint32_t position = 0;
    for (uint32_t i = 0; i < m->processes.limit; i++) {
        const struct process *p = model_process_at(m, i);
        position += p && p->in_scope;
    }
    struct ranked *ranked = malloc((position + 1ul) * sizeof *ranked);
    position = 0;
    for (uint32_t i = 0; ranked && i < m->processes.limit; i++) {
        const struct process *p = model_process_at(m, i);
        if (p && p->in_scope) {
            ranked[position] = (struct ranked){p->peak_bytes, position, p->id};
            position++;
        }
    }
    if (ranked)
        qsort(ranked, position, sizeof *ranked, by_bytes);
    *count = position;
    return ranked;
}

int flamegraph_pack_lines(struct pack *p, const struct flamegraph *f)
{
    const struct replay *r = &f->report->rec->replay;
    struct pack line = pack_line(&r->history), processes = {0};
    uint32_t count;
    struct ranked *ranked = rank_processes(&r->model, &count);
    if (!ranked)
        count = 0;
    if (count > LINE_PROCESSES)
        count = LINE_PROCESSES;
    pack_section(p, "line", &line);
    pack_number(&processes, count > 1 ? count : 0);
    for (uint32_t i = 0; i < count && count > 1; i++) {
        pack_number(&processes, ranked[i].position);
        pack_process(&processes, &r->history, ranked[i].process);
    }
    p->failed |= !ranked;
    free(ranked);
    pack_section(p, "plin", &processes);
    return p->failed ? -ERR_NOMEM : 0;
}

uint64_t *flamegraph_highest(const struct replay *r)
{
    uint64_t *highest = calloc(r->sites.count + 1ul, sizeof *highest);
    for (uint32_t i = 0; highest && i < r->history.row_count; i++) {
        const struct history_row *row = &r->history.rows[i];
        uint64_t bytes = row->bytes ? row->bytes : row->count > 0;
        if (row->site < r->sites.count && bytes > highest[row->site])
            highest[row->site] = bytes;
    }
    return highest;
}

/* The end of a window that was asked for is worth storing. */
static void choose_asked(uint8_t *chosen, const struct history *h, const struct window *w)
{
    uint32_t from = history_tick_at(h, w->from_ns), to = history_tick_at(h, w->to_ns);
    if (from < h->tick_count)
        chosen[from] = 1;
    if (to < h->tick_count)
        chosen[to] = 1;
}

/* Bits by tick: is it stored? NULL when out of memory. */
static uint8_t *choose_ticks(const struct replay *r, uint32_t moments)
{
    const struct history *h = &r->history;
    uint32_t step = h->tick_count / (moments / 2 + 1) + 1;
    uint8_t *chosen = calloc(h->tick_count + 1ul, 1);
    for (uint32_t from = 0; chosen && from < h->tick_count; from += step) {
        uint32_t high = from, low = from;
        for (uint32_t i = from; i < from + step && i < h->tick_count; i++) {
            high = h->ticks[i].live_bytes > h->ticks[high].live_bytes ? i : high;
            low = h->ticks[i].live_bytes < h->ticks[low].live_bytes ? i : low;
        }
        chosen[high] = chosen[low] = 1;
    }
    uint32_t marks = 0;
    for (uint32_t i = 0; chosen && i < h->tick_count; i++) {
        bool mark = (h->ticks[i].flags & HISTORY_MARK) && marks < MARKS_STORED;
        marks += mark;
        if (mark || (h->ticks[i].flags & (HISTORY_MOMENT | HISTORY_END)))
            chosen[i] = 1;
    }
    if (chosen && h->tick_count)
        chosen[h->tick_count - 1] = 1;
    if (chosen)
        choose_asked(chosen, h, &r->window);
    return chosen;
}

/* What an entry holds, and what was last told of it. */
struct entry_state {
    int64_t bytes, count, gap, told_bytes, told_count, told_gap;
    bool listed; /* among the changed ones */
};

struct storing {
    const struct graph *graph;
    const struct history *history;
    struct entry_state *entries;
    struct site_values *sites; /* as of the last row of each */
    uint32_t *changed;         /* entries since the last stored moment */
    uint32_t changed_count, site_count;
};

static void apply_row(struct storing *s, const struct history_row *row)
{
    if (row->site >= s->site_count || s->graph->entry_of_site[row->site] == GRAPH_NO_ENTRY)
        return;
    uint32_t at = s->graph->entry_of_site[row->site];
    struct entry_state *e = &s->entries[at];
    struct site_values *v = &s->sites[row->site];
    e->bytes += (int64_t)(row->bytes - v->bytes);
    e->count += (int64_t)row->count - (int64_t)v->count;
    e->gap += (int64_t)(row->bytes - row->resident_bytes - (v->bytes - v->resident_bytes));
    v->bytes = row->bytes;
    v->count = row->count;
    v->resident_bytes = row->resident_bytes;
    if (!e->listed)
        s->changed[s->changed_count++] = at;
    e->listed = true;
}

static int by_number(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

/* Keeps those of the changed entries that differ from what was told. */
static void sift_changed(struct storing *s)
{
    uint32_t kept = 0;
    qsort(s->changed, s->changed_count, sizeof *s->changed, by_number);
    for (uint32_t i = 0; i < s->changed_count; i++) {
        struct entry_state *e = &s->entries[s->changed[i]];
        e->listed = false;
        if (e->bytes != e->told_bytes || e->count != e->told_count || e->gap != e->told_gap)
            s->changed[kept++] = s->changed[i];
    }
    s->changed_count = kept;
}

static void pack_moment(struct pack *p, struct storing *s, const struct history_tick *tick,
                        uint64_t since_ns)
{
    sift_changed(s);
    pack_number(p, tick->end_ns - since_ns);
    pack_number(p, tick->flags);
    pack_number(p, tick->live_bytes);
    pack_number(p, tick->live_count);
    pack_number(p, s->changed_count);
    for (uint32_t i = 0, last = 0; i < s->changed_count; i++) {
        struct entry_state *e = &s->entries[s->changed[i]];
        pack_number(p, s->changed[i] - last);
        last = s->changed[i];
        pack_signed(p, e->bytes - e->told_bytes);
        pack_signed(p, e->count - e->told_count);
        pack_signed(p, e->gap - e->told_gap);
        e->told_bytes = e->bytes;
        e->told_count = e->count;
        e->told_gap = e->gap;
    }
    s->changed_count = 0;
}

static struct pack pack_moments(struct storing *s, const uint8_t *chosen)
{
    struct pack p = {0};
    const struct history *h = s->history;
    uint32_t count = 0, row = 0;
    uint64_t since_ns = 0;
    for (uint32_t i = 0; i < h->tick_count; i++)
        count += chosen[i];
    pack_number(&p, count);
    for (uint32_t i = 0; i < h->tick_count; i++) {
        for (; row < h->row_count && h->rows[row].tick <= i; row++)
            apply_row(s, &h->rows[row]);
        if (!chosen[i])
            continue;
        pack_moment(&p, s, &h->ticks[i], since_ns);
        since_ns = h->ticks[i].end_ns;
    }
    return p;
}

int flamegraph_pack_history(struct pack *p, const struct flamegraph *f, uint32_t moments)
{
    const struct replay *r = &f->report->rec->replay;
    struct storing s = {.graph = f->graph, .history = &r->history, .site_count = r->sites.count};
    uint8_t *chosen = choose_ticks(r, moments);
    s.entries = calloc(f->graph->entry_count + 1ul, sizeof *s.entries);
    s.sites = calloc(s.site_count + 1ul, sizeof *s.sites);
    s.changed = malloc((f->graph->entry_count + 1ul) * sizeof *s.changed);
    bool ready = chosen && s.entries && s.sites && s.changed;
    if (ready) {
        struct pack section = pack_moments(&s, chosen);
        pack_section(p, "hist", &section);
    }
    free(chosen);
    free(s.entries);
    free(s.sites);
    free(s.changed);
    return ready && !p->failed ? 0 : -ERR_NOMEM;
}
