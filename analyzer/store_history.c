/* Writing the timeline and what every site held over time (store.h). Why stretches instead of the
 * replay's rows: "what did everybody hold at T" is then one condition, without looking for the row
 * before. */
#include "analyzer/store.h"

#include <stdlib.h>
#include <string.h>

static void write_tick(struct insert *i, const struct history *h, uint32_t tick)
{
    const struct history_tick *t = &h->ticks[tick], *before = tick ? t - 1 : 0;
    insert_number(i, tick);
    insert_number(i, before ? before->end_ns : 0);
    insert_number(i, t->end_ns);
    insert_number(i, t->high_bytes);
    insert_number(i, t->high_count);
    insert_number(i, t->high_ns);
    insert_number(i, t->rss_high_bytes);
    insert_number(i, t->live_bytes);
    insert_number(i, t->live_count);
    insert_number(i, t->resident_bytes);
    insert_number(i, t->rss_bytes);
    insert_number(i, t->mapped_bytes);
    insert_number(i, t->shared_bytes);
    insert_number(i, t->arena_bytes);
    insert_number(i, t->events - (before ? before->events : 0));
    insert_number(i, t->flags);
    insert_row(i);
}

static void write_timeline(struct writing *to, const struct history *h)
{
    struct insert i;
    insert_begin(&i, to, "timeline", 16);
    for (uint32_t tick = 0; tick < h->tick_count; tick++)
        write_tick(&i, h, tick);
    insert_end(&i);
}

static void write_process_timeline(struct writing *to, const struct history *h)
{
    struct insert i;
    insert_begin(&i, to, "process_timeline", 9);
    for (uint32_t at = 0; at < h->process_row_count; at++) {
        const struct history_process_row *row = &h->process_rows[at];
        insert_number(&i, row->tick);
        insert_number(&i, row->process == ID_NONE ? (uint64_t)-1 : row->process);
        insert_number(&i, row->high_bytes);
        insert_number(&i, row->live_bytes);
        insert_number(&i, row->resident_bytes);
        insert_number(&i, row->rss_bytes);
        insert_number(&i, row->mapped_bytes);
        insert_number(&i, row->shared_bytes);
        insert_number(&i, row->arena_bytes);
        insert_row(&i);
    }
    insert_end(&i);
}

static void write_stretch(struct insert *i, const struct history_row *row, uint32_t until)
{
    if (!row->bytes && !row->count && !row->resident_bytes && !row->unsampled_bytes)
        return;
    insert_number(i, row->site);
    insert_number(i, row->tick);
    insert_number(i, until);
    insert_number(i, row->bytes);
    insert_number(i, row->count);
    insert_number(i, row->resident_bytes);
    insert_number(i, row->unsampled_bytes);
    insert_row(i);
}

/* Chains the rows of each site, in order: firsts by site, nexts by row. */
static void chain(const struct history *h, uint32_t *firsts, uint32_t *nexts)
{
    for (uint32_t row = h->row_count; row-- > 0;) {
        nexts[row] = firsts[h->rows[row].site];
        firsts[h->rows[row].site] = row;
    }
}

int store_write_history(struct writing *to, const struct replay *r)
{
    const struct history *h = &r->history;
    uint32_t *firsts = malloc(r->sites.count * sizeof *firsts);
    uint32_t *nexts = malloc((h->row_count + 1ul) * sizeof *nexts);
    struct insert i;
    write_timeline(to, h);
    write_process_timeline(to, h);
    if (firsts && nexts) {
        memset(firsts, 0xFF, r->sites.count * sizeof *firsts);
        chain(h, firsts, nexts);
        insert_begin(&i, to, "history", 7);
        for (uint32_t site = 1; site < r->sites.count; site++)
            for (uint32_t row = firsts[site]; row != HISTORY_NONE; row = nexts[row])
                write_stretch(&i, &h->rows[row],
                              nexts[row] == HISTORY_NONE ? h->tick_count
                                                         : h->rows[nexts[row]].tick);
        insert_end(&i);
    }
    int rc = firsts && nexts ? 0 : -ERR_NOMEM;
    free(firsts);
    free(nexts);
    return rc;
}
