/* Merging ticks when there are too many of them or of their rows (history.h). Why the resolution
 * doubles for all: what is old is not worth less, and each time takes half. A tick that ends at a
 * mark, at the moment or at the end stays as it is. */
#include "replay/replay.h"

#include <stdlib.h>

#define TICKS_LEAST 16u /* fewer would tell nothing: then more memory is taken */

static bool too_many(const struct replay *r, unsigned quarters)
{
    const struct history *h = &r->history;
    uint64_t ticks = h->options.tick_limit, rows = h->options.row_limit, sites = r->sites.count;
    if (rows < 2 * sites)
        rows = 2 * sites;
    return h->tick_count * UINT64_C(4) >= ticks * quarters ||
           h->row_count * UINT64_C(4) >= rows * quarters ||
           h->process_row_count * UINT64_C(4) >= rows * quarters ||
           h->gap_count * UINT64_C(4) >= rows * quarters;
}

static void join(struct history_tick *tick, const struct history_tick *next)
{
    struct history_tick joined = *next;
    if (tick->high_bytes >= next->high_bytes) {
        joined.high_bytes = tick->high_bytes;
        joined.high_ns = tick->high_ns;
        joined.high_count = tick->high_count;
    }
    if (tick->rss_high_bytes > next->rss_high_bytes)
        joined.rss_high_bytes = tick->rss_high_bytes;
    if (!(tick->flags & HISTORY_STILL))
        joined.flags &= ~(uint32_t)HISTORY_STILL;
    *tick = joined;
}

/* Joins neighbours that lie in one interval of the resolution. map[i]: what tick i became. Nothing
 * belongs to the open tick yet: ticks are merged where one has just ended. Returns how many remain.
 */
static uint32_t join_ticks(struct history *h, uint32_t *map)
{
    uint32_t kept = 0;
    uint64_t start_ns = 0, last_end_ns = 0;
    for (uint32_t i = 0; i < h->tick_count; i++) {
        struct history_tick t = h->ticks[i];
        uint64_t last = (t.end_ns ? t.end_ns - 1 : 0) / h->resolution_ns;
        bool joins = kept && !history_stays(&h->ticks[kept - 1]) && last_end_ns &&
                     start_ns / h->resolution_ns == last && last_end_ns <= t.end_ns;
        if (joins) {
            join(&h->ticks[kept - 1], &t);
        } else {
            start_ns = last_end_ns;
            h->ticks[kept++] = t;
        }
        last_end_ns = t.end_ns;
        map[i] = kept - 1;
    }
    return kept;
}

/* A site's rows of one tick become its last of them. */
static void join_rows(struct history *h, const uint32_t *map)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < h->last_row_capacity; i++)
        h->last_rows[i] = HISTORY_NONE;
    for (uint32_t i = 0; i < h->row_count; i++) {
        struct history_row row = h->rows[i];
        uint32_t *last = &h->last_rows[row.site];
        row.tick = map[row.tick];
        if (*last == HISTORY_NONE || h->rows[*last].tick != row.tick)
            *last = kept++;
        h->rows[*last] = row;
    }
    h->row_count = kept;
}

/* The same for processes; of the most bytes, the most. */
static void join_process_rows(struct replay *r, const uint32_t *map)
{
    struct history *h = &r->history;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < h->process_row_count; i++)
        model_process(&r->model, h->process_rows[i].process)->told_row = HISTORY_NONE;
    for (uint32_t i = 0; i < h->process_row_count; i++) {
        struct history_process_row row = h->process_rows[i];
        uint32_t *last = &model_process(&r->model, row.process)->told_row;
        row.tick = map[row.tick];
        if (*last == HISTORY_NONE || h->process_rows[*last].tick != row.tick)
            *last = kept++;
        else if (h->process_rows[*last].high_bytes > row.high_bytes)
            row.high_bytes = h->process_rows[*last].high_bytes;
        h->process_rows[*last] = row;
    }
    h->process_row_count = kept;
}

static int by_site(const void *a, const void *b)
{
    const struct history_gap *left = a, *right = b;
    if (left->site != right->site)
        return left->site < right->site ? -1 : 1;
    return left->tick < right->tick ? -1 : left->tick > right->tick;
}

static void add(struct history_gap *to, const struct history_gap *gap)
{
    to->bytes += gap->bytes;
    to->unsampled_bytes += gap->unsampled_bytes;
}

static void join_gaps(struct history *h, const uint32_t *map)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < h->gap_count; i++)
        h->gaps[i].tick = map[h->gaps[i].tick];
    if (h->gap_count)
        qsort(h->gaps, h->gap_count, sizeof *h->gaps, by_site);
    for (uint32_t i = 0; i < h->gap_count; i++) {
        struct history_gap *last = kept ? &h->gaps[kept - 1] : 0;
        if (last && last->site == h->gaps[i].site && last->tick == h->gaps[i].tick)
            add(last, &h->gaps[i]);
        else
            h->gaps[kept++] = h->gaps[i];
    }
    h->gap_count = kept;
}

static void join_all(struct replay *r, uint32_t *map)
{
    struct history *h = &r->history;
    uint32_t before = h->tick_count;
    uint32_t kept = join_ticks(h, map);
    if (kept == before)
        return;
    join_rows(h, map);
    join_process_rows(r, map);
    join_gaps(h, map);
    h->tick_count = kept;
    for (uint32_t i = 0; i < h->mark_count; i++)
        h->mark_ticks[i] = map[h->mark_ticks[i]];
    if (h->moment_tick != HISTORY_NONE)
        h->moment_tick = map[h->moment_tick];
    if (h->end_tick != HISTORY_NONE)
        h->end_tick = map[h->end_tick];
}

void history_merge(struct replay *r)
{
    struct history *h = &r->history;
    if (!too_many(r, 4))
        return;
    uint32_t *map = malloc(h->tick_count * sizeof *map);
    if (!map) {
        h->failed = true;
        return;
    }
    uint64_t most_ns = h->ticks[h->tick_count - 1].end_ns / TICKS_LEAST;
    while (too_many(r, 3) && h->resolution_ns < most_ns) {
        h->resolution_ns *= 2;
        join_all(r, map);
    }
    free(map);
    if (!too_many(r, 3))
        return;
    h->options.tick_limit *= h->options.tick_limit < UINT32_MAX / 2 ? 2 : 1;
    h->options.row_limit *= h->options.row_limit < UINT32_MAX / 2 ? 2 : 1;
}
