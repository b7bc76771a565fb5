/* Reading the timeline, and what sites and processes held over time, back into a history (store.h).
 * Why rows are sorted anew: the database has them by site, as stretches; a history has them by
 * tick, and a row where a stretch ends in nothing. */
#include "analyzer/store.h"

#include <stdlib.h>
#include <string.h>

/* The next place of a growing array; NULL when out of memory. */
static void *place(struct store *store, struct history *h, void **items, uint32_t count,
                   uint32_t *capacity, size_t item_bytes)
{
    if (history_room(h, items, count, capacity, item_bytes))
        return (char *)*items + count * item_bytes;
    store->from.out_of_memory = true;
    return 0;
}

static void read_tick(struct store *store, struct history *h, struct select *s)
{
    struct history_tick *t =
        place(store, h, (void **)&h->ticks, h->tick_count, &h->tick_capacity, sizeof *h->ticks);
    const struct history_tick *before = h->tick_count && t ? t - 1 : 0;
    if (!t)
        return;
    *t = (struct history_tick){0};
    if (select_number(s) != h->tick_count)
        select_wrong(s);
    select_skip(s);
    t->end_ns = select_number(s);
    t->high_bytes = select_number(s);
    t->high_count = select_number(s);
    t->high_ns = select_number(s);
    t->rss_high_bytes = select_number(s);
    t->live_bytes = select_number(s);
    t->live_count = select_number(s);
    t->resident_bytes = select_number(s);
    t->rss_bytes = select_number(s);
    t->mapped_bytes = select_number(s);
    t->shared_bytes = select_number(s);
    t->arena_bytes = select_number(s);
    t->events = select_number(s) + (before ? before->events : 0);
    t->flags = (uint32_t)select_limited(s, UINT32_MAX);
    if (before && t->end_ns < before->end_ns)
        select_wrong(s);
    if (t->flags & HISTORY_MOMENT)
        h->moment_tick = h->tick_count;
    if (t->flags & HISTORY_END)
        h->end_tick = h->tick_count;
    h->tick_count++;
}

static void read_ticks(struct store *store, struct history *h)
{
    struct select s;
    select_begin(&s, &store->from, "timeline", "ORDER BY tick_id", 0, 0);
    while (select_row(&s))
        read_tick(store, h, &s);
    if (!h->tick_count)
        select_wrong(&s);
    select_end(&s);
}

static void read_process_rows(struct store *store, struct history *h)
{
    struct select s;
    select_begin(&s, &store->from, "process_timeline", "ORDER BY tick_id, process_id", 0, 0);
    while (select_row(&s)) {
        struct history_process_row *row =
            place(store, h, (void **)&h->process_rows, h->process_row_count,
                  &h->process_row_capacity, sizeof *h->process_rows);
        if (!row)
            break;
        row->tick = (uint32_t)select_limited(&s, h->tick_count - 1u);
        uint64_t process = select_number(&s);
        row->process = process < ID_NONE ? (uint32_t)process : ID_NONE;
        row->high_bytes = select_number(&s);
        row->live_bytes = select_number(&s);
        row->resident_bytes = select_number(&s);
        row->rss_bytes = select_number(&s);
        row->mapped_bytes = select_number(&s);
        row->shared_bytes = select_number(&s);
        row->arena_bytes = select_number(&s);
        h->process_row_count++;
    }
    select_end(&s);
}

static void add_row(struct store *store, struct history *h, const struct history_row *row)
{
    struct history_row *to =
        place(store, h, (void **)&h->rows, h->row_count, &h->row_capacity, sizeof *h->rows);
    if (!to)
        return;
    *to = *row;
    h->row_count++;
}

/* Stretches of each site in order; where one ends and the next does not begin, a row of nothing. */
static void read_stretches(struct store *store, struct history *h, uint32_t sites)
{
    struct select s;
    uint32_t site = 0, until = 0;
    select_begin(&s, &store->from, "history", "ORDER BY site_id, from_tick", 0, 0);
    while (select_row(&s)) {
        struct history_row row = {.site = (uint32_t)select_limited(&s, sites - 1)};
        row.tick = (uint32_t)select_limited(&s, h->tick_count - 1u);
        uint32_t end = (uint32_t)select_limited(&s, h->tick_count);
        row.bytes = select_number(&s);
        row.count = (uint32_t)select_limited(&s, UINT32_MAX);
        row.resident_bytes = select_limited(&s, row.bytes);
        row.unsampled_bytes = select_number(&s);
        bool follows = row.site == site;
        if (!row.site || end <= row.tick || (follows ? row.tick < until : row.site < site))
            select_wrong(&s);
        if (site && until < h->tick_count && (!follows || row.tick > until))
            add_row(store, h, &(struct history_row){.site = site, .tick = until});
        add_row(store, h, &row);
        site = row.site;
        until = end;
    }
    if (site && until < h->tick_count)
        add_row(store, h, &(struct history_row){.site = site, .tick = until});
    select_end(&s);
}

static int by_tick(const void *a, const void *b)
{
    const struct history_row *left = a, *right = b;
    if (left->tick != right->tick)
        return left->tick < right->tick ? -1 : 1;
    return left->site < right->site ? -1 : left->site > right->site;
}

static void read_mark_ticks(struct store *store, struct history *h)
{
    struct select s;
    select_begin(&s, &store->from, "mark", "WHERE tick_id IS NOT NULL ORDER BY mark_id", 0, 0);
    while (select_row(&s)) {
        uint32_t *tick = place(store, h, (void **)&h->mark_ticks, h->mark_count, &h->mark_capacity,
                               sizeof *h->mark_ticks);
        if (!tick)
            break;
        if (select_number(&s) != h->mark_count)
            select_wrong(&s);
        select_skip(&s);
        select_skip(&s);
        *tick = (uint32_t)select_limited(&s, h->tick_count - 1u);
        h->mark_count++;
    }
    select_end(&s);
}

void store_read_history(struct store *store, struct replay *r, bool rows)
{
    struct history *h = &r->history;
    h->resolution_ns = store->meta.resolution_ns ? store->meta.resolution_ns : 1;
    h->moment_tick = h->end_tick = HISTORY_NONE;
    read_ticks(store, h);
    for (uint32_t i = 0; i < h->tick_count; i++)
        if (h->ticks[i].rss_high_bytes > r->rss_high_bytes)
            r->rss_high_bytes = h->ticks[i].rss_high_bytes;
    if (h->tick_count)
        read_mark_ticks(store, h);
    if (!rows || !h->tick_count)
        return;
    read_process_rows(store, h);
    read_stretches(store, h, r->sites.count);
    if (h->row_count)
        qsort(h->rows, h->row_count, sizeof *h->rows, by_tick);
}
