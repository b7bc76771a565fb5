/* The last pass over a history (history.h): what samples told with hindsight goes into the rows,
 * and the moment, whose tick ran on behind it, becomes the end of a tick. Why only now: that a
 * block was never touched is known after rows with it were written; that a moment was the peak is
 * known at the end.
 *
 *   rows + gaps, by tick ──▶ what each site holds ──▶ new rows, where that differs
 *
 * Not here: ticks (history.c), the values at the moment (sites.h). */
#include "replay/replay.h"

#include <stdlib.h>
#include <string.h>

struct cell {
    uint64_t bytes;
    int64_t gap_bytes, unsampled_bytes;
    uint32_t count;
    uint32_t row; /* its latest in the new rows, or HISTORY_NONE */
};

struct finish {
    struct replay *replay;
    struct history *history;
    struct cell *cells; /* by site */
    struct history_row *rows;
    struct history_process_row *process_rows;
    uint32_t row_count, row_capacity, process_row_count, process_row_capacity;
    uint32_t next_row, next_gap, next_process_row; /* of the old ones */
    struct process *changed;                       /* in this tick, chained */
    uint64_t resident_bytes;                       /* of all sites */
};

static void change_process(struct finish *f, struct process *p)
{
    if (p->changed)
        return;
    p->changed = true;
    p->high_bytes = p->told.live_bytes;
    p->next_changed = f->changed;
    f->changed = p;
}

/* Writes a site's row, if it holds something else than in its last. */
static void tell_site(struct finish *f, uint32_t tick, uint32_t id, const struct site_values *v)
{
    struct cell *cell = &f->cells[id];
    struct history_row old = {0};
    if (cell->row != HISTORY_NONE)
        old = f->rows[cell->row];
    if (old.bytes == v->bytes && old.count == v->count && old.resident_bytes == v->resident_bytes &&
        old.unsampled_bytes == v->unsampled_bytes)
        return;
    if (!history_room(f->history, (void **)&f->rows, f->row_count, &f->row_capacity,
                      sizeof *f->rows))
        return;
    cell->row = f->row_count;
    f->rows[f->row_count++] = (struct history_row){
        v->bytes, v->resident_bytes, v->unsampled_bytes, tick, id, (uint32_t)v->count};
    f->resident_bytes += v->resident_bytes - old.resident_bytes;
    struct process *p = model_process(&f->replay->model, site_lane(&f->replay->sites, id)->process);
    change_process(f, p);
    p->told_resident_bytes += v->resident_bytes - old.resident_bytes;
}

static void tell_cell(struct finish *f, uint32_t tick, uint32_t id)
{
    const struct cell *cell = &f->cells[id];
    int64_t resident = (int64_t)cell->bytes - cell->gap_bytes;
    struct site_values v = {.bytes = cell->bytes, .count = cell->count};
    v.resident_bytes = resident < 0 ? 0 : (uint64_t)resident;
    v.unsampled_bytes = cell->unsampled_bytes < 0 ? 0 : (uint64_t)cell->unsampled_bytes;
    tell_site(f, tick, id, &v);
}

static void take_process_rows(struct finish *f, uint32_t tick)
{
    const struct history *h = f->history;
    for (; f->next_process_row < h->process_row_count &&
           h->process_rows[f->next_process_row].tick == tick;
         f->next_process_row++) {
        const struct history_process_row *row = &h->process_rows[f->next_process_row];
        struct process *p = model_process(&f->replay->model, row->process);
        change_process(f, p);
        p->told = (struct sums){row->live_bytes, row->mapped_bytes, row->shared_bytes,
                                row->arena_bytes, row->rss_bytes};
        p->high_bytes = row->high_bytes;
    }
}

static bool says_nothing_new(const struct finish *f, const struct process *p,
                             const struct history_process_row *row)
{
    struct history_process_row old = {0};
    if (p->told_row != HISTORY_NONE)
        old = f->process_rows[p->told_row];
    old.high_bytes = old.live_bytes;
    old.tick = row->tick;
    old.process = row->process;
    return !memcmp(&old, row, sizeof old);
}

/* Writes the rows of what changed; then: as of the moment. */
static void tell_processes(struct finish *f, uint32_t tick, bool then)
{
    while (f->changed) {
        struct process *p = f->changed;
        const struct sums sums = then ? process_then(f->replay, p) : p->told;
        struct history_process_row row = {
            .high_bytes = then ? sums.live_bytes : p->high_bytes,
            .live_bytes = sums.live_bytes,
            .resident_bytes = p->told_resident_bytes,
            .rss_bytes = sums.rss_bytes,
            .mapped_bytes = sums.mapped_bytes,
            .shared_bytes = sums.shared_bytes,
            .arena_bytes = sums.arena_bytes,
            .tick = tick,
            .process = p->id,
        };
        f->changed = p->next_changed;
        p->changed = false;
        if (says_nothing_new(f, p, &row) ||
            !history_room(f->history, (void **)&f->process_rows, f->process_row_count,
                          &f->process_row_capacity, sizeof *f->process_rows))
            continue;
        p->told_row = f->process_row_count;
        f->process_rows[f->process_row_count++] = row;
    }
}

/* All processes, that of events of none too. */
static void change_all(struct finish *f)
{
    struct model *m = &f->replay->model;
    for (uint32_t id = 0; id < m->processes.limit; id++)
        if (model_process_at(m, id))
            change_process(f, model_process_at(m, id));
    change_process(f, &m->nobody);
}

/* Takes the tick's rows and gaps into the cells and tells what changed; all: of every site. */
static void take_tick(struct finish *f, uint32_t tick, bool all)
{
    const struct history *h = f->history;
    uint32_t row = f->next_row, gap = f->next_gap;
    take_process_rows(f, tick);
    for (; f->next_row < h->row_count && h->rows[f->next_row].tick == tick; f->next_row++) {
        f->cells[h->rows[f->next_row].site].bytes = h->rows[f->next_row].bytes;
        f->cells[h->rows[f->next_row].site].count = h->rows[f->next_row].count;
    }
    for (; f->next_gap < h->gap_count && h->gaps[f->next_gap].tick == tick; f->next_gap++) {
        struct cell *cell = &f->cells[h->gaps[f->next_gap].site];
        cell->gap_bytes += h->gaps[f->next_gap].bytes;
        cell->unsampled_bytes += h->gaps[f->next_gap].unsampled_bytes;
    }
    if (all)
        change_all(f);
    for (uint32_t id = 1; all && id < f->replay->sites.count; id++)
        tell_cell(f, tick, id);
    for (; !all && row < f->next_row; row++)
        tell_cell(f, tick, h->rows[row].site);
    for (; !all && gap < f->next_gap; gap++)
        tell_cell(f, tick, h->gaps[gap].site);
    tell_processes(f, tick, false);
}

/* The tick that the moment cuts off: everything as it was then. What is true at the end of the tick
 * that ran comes in the one behind it, where everybody is told again. */
static void take_moment(struct finish *f, uint32_t tick)
{
    struct replay *r = f->replay;
    struct history_tick *t = &f->history->ticks[tick];
    for (uint32_t id = 1; id < r->sites.count; id++) {
        struct site_values v = site_then(&r->sites, id);
        tell_site(f, tick, id, &v);
    }
    change_all(f);
    t->mapped_bytes = t->shared_bytes = t->arena_bytes = 0;
    for (const struct process *p = f->changed; p; p = p->next_changed) {
        t->mapped_bytes += process_then(r, p).mapped_bytes;
        t->shared_bytes += process_then(r, p).shared_bytes;
        t->arena_bytes += process_then(r, p).arena_bytes;
    }
    tell_processes(f, tick, true);
}

/* The moment is where the last tick ended, and nothing happened behind it. */
static void end_at_moment(struct history *h)
{
    h->splits = false;
    h->moment_tick--;
    h->ticks[h->moment_tick].flags |= HISTORY_MOMENT;
}

/* Cuts the tick of the moment in two. The most that was live behind the moment is not known apart;
 * it is what was live at the moment, unless a window ended there and more came. */
static void cut_moment(struct history *h)
{
    uint32_t at = h->moment_tick;
    if (h->splits && at == h->tick_count)
        end_at_moment(h);
    if (!h->splits ||
        !history_room(h, (void **)&h->ticks, h->tick_count, &h->tick_capacity, sizeof *h->ticks))
        return;
    memmove(&h->ticks[at + 1], &h->ticks[at], (h->tick_count++ - at) * sizeof *h->ticks);
    h->ticks[at] = h->split;
    h->ticks[at].flags = HISTORY_MOMENT;
    h->ticks[at + 1].flags &= ~(uint32_t)HISTORY_STILL;
    for (uint32_t i = 0; i < h->row_count; i++)
        h->rows[i].tick += h->rows[i].tick >= at;
    for (uint32_t i = 0; i < h->process_row_count; i++)
        h->process_rows[i].tick += h->process_rows[i].tick >= at;
    for (uint32_t i = 0; i < h->gap_count; i++)
        h->gaps[i].tick += h->gaps[i].tick >= at;
    for (uint32_t i = 0; i < h->mark_count; i++)
        h->mark_ticks[i] += h->mark_ticks[i] >= at;
    if (h->end_tick != HISTORY_NONE)
        h->end_tick += h->end_tick >= at;
}

static int by_tick(const void *a, const void *b)
{
    const struct history_gap *left = a, *right = b;
    return left->tick < right->tick ? -1 : left->tick > right->tick;
}

static bool finish_init(struct finish *f, struct replay *r)
{
    struct history *h = &r->history;
    *f = (struct finish){
        .replay = r, .history = h, .cells = calloc(r->sites.count, sizeof *f->cells)};
    if (!f->cells)
        return false;
    for (uint32_t id = 0; id < r->sites.count; id++)
        f->cells[id].row = HISTORY_NONE;
    change_all(f);
    while (f->changed) {
        struct process *p = f->changed;
        p->told = (struct sums){0};
        p->told_row = HISTORY_NONE;
        p->changed = false;
        f->changed = p->next_changed;
    }
    if (h->gap_count)
        qsort(h->gaps, h->gap_count, sizeof *h->gaps, by_tick);
    return true;
}

/* The new rows take the place of the old ones. */
static void finish_release(struct finish *f)
{
    struct history *h = f->history;
    free(f->cells);
    free(h->rows);
    free(h->process_rows);
    free(h->gaps);
    free(h->last_rows);
    h->rows = f->rows;
    h->row_count = f->row_count;
    h->process_rows = f->process_rows;
    h->process_row_count = f->process_row_count;
    h->gaps = 0;
    h->last_rows = 0;
    h->gap_count = h->last_row_capacity = 0;
}

/* Without sites nothing is known with hindsight; only the moment's tick needs its sums. */
static void finish_ticks(struct replay *r)
{
    struct history *h = &r->history;
    if (!h->splits)
        return;
    struct history_tick *t = &h->ticks[h->moment_tick];
    t->mapped_bytes = t->shared_bytes = t->arena_bytes = 0;
    for (uint32_t id = 0; id < r->model.processes.limit; id++) {
        const struct process *p = model_process_at(&r->model, id);
        t->mapped_bytes += p ? process_then(r, p).mapped_bytes : 0;
        t->shared_bytes += p ? process_then(r, p).shared_bytes : 0;
        t->arena_bytes += p ? process_then(r, p).arena_bytes : 0;
    }
}

void history_finish(struct replay *r)
{
    struct history *h = &r->history;
    struct finish f;
    if (!h->resolution_ns || h->failed)
        return;
    history_stop(r, r->time_ns, h->end_tick == HISTORY_NONE ? HISTORY_END : 0);
    if (h->failed)
        return;
    cut_moment(h);
    if (!h->failed && h->options.no_sites)
        return finish_ticks(r);
    if (h->failed || !finish_init(&f, r)) {
        h->failed = true;
        return;
    }
    for (uint32_t tick = 0; tick < h->tick_count; tick++) {
        bool moment = h->splits && tick == h->moment_tick;
        if (moment)
            take_moment(&f, tick);
        else
            take_tick(&f, tick, h->splits && tick == h->moment_tick + 1);
        h->ticks[tick].resident_bytes = f.resident_bytes;
    }
    finish_release(&f);
}
