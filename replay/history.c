/* Ending ticks and noting what changed in them (history.h). Why dirty lists: sites and processes
 * say themselves that they changed (site_touch, process_touch), so a tick costs what happened in it
 * and not what there is. */
#include "replay/replay.h"

#include "format/error.h"
#include <stdlib.h>
#include <string.h>

static bool on(const struct history *h) { return h->resolution_ns; }

int history_init(struct replay *r)
{
    struct history *h = &r->history;
    *h = (struct history){.options = r->options.history,
                          .resolution_ns = r->options.history.resolution_ns,
                          .moment_tick = HISTORY_NONE,
                          .end_tick = HISTORY_NONE};
    if (!on(h))
        return 0;
    h->options.tick_limit = h->options.tick_limit ? h->options.tick_limit : HISTORY_TICKS;
    h->options.row_limit = h->options.row_limit ? h->options.row_limit : HISTORY_ROWS;
    return sites_watch(&r->sites);
}

void history_release(struct history *h)
{
    free(h->ticks);
    free(h->rows);
    free(h->process_rows);
    free(h->mark_ticks);
    free(h->gaps);
    free(h->last_rows);
    *h = (struct history){0};
}

bool history_room(struct history *h, void **items, uint32_t count, uint32_t *capacity,
                  size_t item_bytes)
{
    if (count < *capacity)
        return true;
    uint64_t wanted = *capacity ? *capacity * UINT64_C(2) : 256;
    void *grown = wanted < UINT32_MAX ? realloc(*items, wanted * item_bytes) : 0;
    if (!grown) {
        h->failed = true;
        return false;
    }
    *items = grown;
    *capacity = (uint32_t)wanted;
    return true;
}

void history_rise(struct replay *r)
{
    struct history *h = &r->history;
    if (!on(h) || r->live_bytes <= h->open.high_bytes)
        return;
    h->open.high_bytes = r->live_bytes;
    h->open.high_ns = r->time_ns;
    h->open.high_count = replay_live_count(r);
}

void history_rss(struct replay *r, uint64_t change_bytes)
{
    struct history_tick *open = &r->history.open;
    open->rss_bytes += change_bytes;
    if (open->rss_bytes > open->rss_high_bytes)
        open->rss_high_bytes = open->rss_bytes;
}

void history_touch(struct replay *r, struct process *p)
{
    if (p->changed)
        return;
    p->changed = true;
    p->next_changed = r->history.changed;
    r->history.changed = p;
}

static void add_gap(struct replay *r, struct history_gap gap)
{
    struct history *h = &r->history;
    if ((!gap.bytes && !gap.unsampled_bytes) || h->options.no_sites ||
        !history_room(h, (void **)&h->gaps, h->gap_count, &h->gap_capacity, sizeof *h->gaps))
        return;
    h->gaps[h->gap_count++] = gap;
}

void history_gap_now(struct replay *r, uint32_t site, uint64_t gap_bytes, uint64_t unsampled_bytes)
{
    if (on(&r->history))
        add_gap(r, (struct history_gap){site, r->history.tick_count, (int64_t)gap_bytes,
                                        (int64_t)unsampled_bytes});
}

/* How many ticks had ended before this serial number, of allocations or of mappings? */
static uint32_t ticks_before(const struct history *h, uint64_t serial, bool of_mapping)
{
    uint32_t low = 0, high = h->tick_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct history_tick *tick = &h->ticks[middle];
        if ((of_mapping ? tick->map_serial : tick->serial) < serial)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void history_gap_since(struct replay *r, uint32_t site, uint64_t serial, uint64_t gap_bytes,
                       uint64_t unsampled_bytes)
{
    if (on(&r->history))
        add_gap(r, (struct history_gap){site, ticks_before(&r->history, serial, false),
                                        (int64_t)gap_bytes, (int64_t)unsampled_bytes});
}

void history_gap_since_map(struct replay *r, uint32_t site, uint32_t map_serial, uint64_t gap_bytes,
                           uint64_t unsampled_bytes)
{
    if (on(&r->history))
        add_gap(r, (struct history_gap){site, ticks_before(&r->history, map_serial, true),
                                        (int64_t)gap_bytes, (int64_t)unsampled_bytes});
}

/* Room for the last rows of all sites there are. */
static bool know_sites(struct history *h, uint32_t count)
{
    uint32_t before = h->last_row_capacity;
    while (h->last_row_capacity < count)
        if (!history_room(h, (void **)&h->last_rows, h->last_row_capacity, &h->last_row_capacity,
                          sizeof *h->last_rows))
            return false;
    for (uint32_t i = before; i < h->last_row_capacity; i++)
        h->last_rows[i] = HISTORY_NONE;
    return true;
}

static bool add_row(struct history *h, const struct site *site, uint32_t id)
{
    struct history_row row = {
        .bytes = site->live_bytes, .tick = h->tick_count, .site = id, .count = site->live_count};
    if (site->ended)
        row.bytes = row.count = 0;
    uint32_t last = h->last_rows[id];
    if (last == HISTORY_NONE ? !row.bytes && !row.count
                             : row.bytes == h->rows[last].bytes && row.count == h->rows[last].count)
        return true;
    if (!history_room(h, (void **)&h->rows, h->row_count, &h->row_capacity, sizeof *h->rows))
        return false;
    h->last_rows[id] = h->row_count;
    h->rows[h->row_count++] = row;
    return true;
}

static void add_told(struct history *h, struct process *p)
{
    h->told.mapped_bytes += p->now.mapped_bytes - p->told.mapped_bytes;
    h->told.shared_bytes += p->now.shared_bytes - p->told.shared_bytes;
    h->told.arena_bytes += p->now.arena_bytes - p->told.arena_bytes;
    p->told = p->now;
}

static bool add_process_row(struct history *h, struct process *p)
{
    struct history_process_row row = {.high_bytes = p->high_bytes,
                                      .live_bytes = p->now.live_bytes,
                                      .rss_bytes = p->now.rss_bytes,
                                      .mapped_bytes = p->now.mapped_bytes,
                                      .shared_bytes = p->now.shared_bytes,
                                      .arena_bytes = p->now.arena_bytes,
                                      .tick = h->tick_count,
                                      .process = p->id};
    bool same = row.high_bytes == p->told.live_bytes;
    if (same && !memcmp(&p->told, &p->now, sizeof p->now))
        return true;
    if (!history_room(h, (void **)&h->process_rows, h->process_row_count, &h->process_row_capacity,
                      sizeof *h->process_rows))
        return false;
    h->process_rows[h->process_row_count++] = row;
    return true;
}

static void tell_processes(struct history *h)
{
    while (h->changed) {
        struct process *p = h->changed;
        process_settle(p);
        if (p->high_bytes > p->peak_bytes)
            p->peak_bytes = p->high_bytes;
        add_process_row(h, p);
        add_told(h, p);
        p->high_bytes = p->now.live_bytes;
        p->changed = false;
        h->changed = p->next_changed;
    }
}

static struct history_tick make_tick(const struct replay *r, uint64_t end_ns, uint32_t flags)
{
    const struct history *h = &r->history;
    struct history_tick t = h->open;
    t.end_ns = end_ns;
    t.live_bytes = r->live_bytes;
    t.live_count = replay_live_count(r);
    t.mapped_bytes = h->told.mapped_bytes;
    t.shared_bytes = h->told.shared_bytes;
    t.arena_bytes = h->told.arena_bytes;
    t.events = r->totals.events;
    t.serial = r->serial;
    t.map_serial = r->map_serial;
    t.flags = flags;
    return t;
}

/* Behind a stop, events of the same time may follow; they end with it where the grid does. */
static void open_tick(struct replay *r, uint64_t start_ns, bool stopped)
{
    struct history *h = &r->history;
    bool on_grid = start_ns % h->resolution_ns == 0;
    uint64_t number = start_ns / h->resolution_ns + !(stopped && on_grid);
    h->open.high_bytes = r->live_bytes;
    h->open.high_ns = start_ns;
    h->open.high_count = replay_live_count(r);
    h->open.rss_high_bytes = h->open.rss_bytes;
    if (__builtin_mul_overflow(number, h->resolution_ns, &h->open_end_ns))
        h->open_end_ns = UINT64_MAX;
    r->sites.dirty_count = 0;
    r->sites.tick_epoch = ++r->sites.epoch;
    moment_gate(r);
}

/* Ends the open tick. Where nothing happened since the last one, that is made longer or, where it
 * ends right here, gets the flags. */
static void end_tick(struct replay *r, uint64_t end_ns, uint32_t flags)
{
    struct history *h = &r->history;
    struct history_tick *last = h->tick_count ? &h->ticks[h->tick_count - 1] : 0;
    bool still = last && !r->sites.dirty_count && !h->changed && last->events == r->totals.events;
    if (still && last->end_ns == end_ns) {
        last->flags |= flags;
    } else if (still && last->flags == HISTORY_STILL) {
        last->end_ns = end_ns;
        last->flags |= flags;
    } else {
        if (!know_sites(h, r->sites.count) || !history_room(h, (void **)&h->ticks, h->tick_count,
                                                            &h->tick_capacity, sizeof *h->ticks))
            return;
        for (uint32_t i = 0; !h->options.no_sites && i < r->sites.dirty_count; i++)
            if (!add_row(h, &r->sites.items[r->sites.dirty[i]], r->sites.dirty[i]))
                return;
        tell_processes(h);
        h->ticks[h->tick_count++] = make_tick(r, end_ns, flags | (still ? HISTORY_STILL : 0));
        history_merge(r);
    }
    open_tick(r, end_ns, flags);
}

static uint64_t last_end_ns(const struct history *h) { return h->ticks[h->tick_count - 1].end_ns; }

void history_advance(struct replay *r, uint64_t time_ns)
{
    struct history *h = &r->history;
    if (!on(h) || time_ns <= h->open_end_ns || h->failed)
        return;
    end_tick(r, h->open_end_ns, 0);
    uint64_t start_ns = (time_ns - 1) / h->resolution_ns * h->resolution_ns;
    if (!h->failed && start_ns > last_end_ns(h))
        end_tick(r, start_ns, 0);
}

void history_stop(struct replay *r, uint64_t time_ns, enum history_flag why)
{
    struct history *h = &r->history;
    if (!on(h) || h->failed)
        return;
    end_tick(r, time_ns, why);
    if (why == HISTORY_END && !h->failed)
        h->end_tick = h->tick_count - 1;
}

void history_mark(struct replay *r)
{
    struct history *h = &r->history;
    uint32_t limit = h->options.tick_limit / 4;
    bool missed = r->model.mark_count != h->mark_count + 1ul;
    if (!on(h) || missed || h->mark_count >= (limit < HISTORY_MARKS ? limit : HISTORY_MARKS))
        return;
    history_stop(r, r->time_ns, HISTORY_MARK);
    if (h->failed || !history_room(h, (void **)&h->mark_ticks, h->mark_count, &h->mark_capacity,
                                   sizeof *h->mark_ticks))
        return;
    h->mark_ticks[h->mark_count++] = h->tick_count - 1;
}

void history_moment(struct replay *r, uint64_t time_ns)
{
    struct history *h = &r->history;
    if (!on(h) || h->failed)
        return;
    if (h->moment_tick < h->tick_count)
        h->ticks[h->moment_tick].flags &= ~(uint32_t)HISTORY_MOMENT;
    h->splits = r->options.moment.kind == MOMENT_PEAK && time_ns == r->time_ns;
    if (h->splits) {
        h->split = make_tick(r, time_ns, HISTORY_MOMENT);
        h->moment_tick = h->tick_count;
        return;
    }
    history_stop(r, time_ns, HISTORY_MOMENT);
    h->moment_tick = h->tick_count - 1;
}

uint32_t history_tick_at(const struct history *h, uint64_t time_ns)
{
    uint32_t low = 0, high = h->tick_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (h->ticks[middle].end_ns <= time_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? low - 1 : HISTORY_NONE;
}

void history_values(const struct history *h, uint32_t tick, struct site_values *values,
                    uint32_t site_count)
{
    memset(values, 0, site_count * sizeof *values);
    if (tick == HISTORY_NONE)
        return;
    for (uint32_t i = 0; i < h->row_count && h->rows[i].tick <= tick; i++) {
        const struct history_row *row = &h->rows[i];
        if (row->site < site_count)
            values[row->site] = (struct site_values){row->bytes, row->resident_bytes,
                                                     row->unsampled_bytes, row->count};
    }
}
