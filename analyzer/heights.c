/* Following what holders held from tick to tick (heights.h). Why only what changed in a tick is
 * looked at: rows are the changes. */
#include "analyzer/heights.h"

#include "format/error.h"
#include <stdlib.h>

struct following {
    struct heights *heights;
    const struct history *history;
    const uint32_t *holder_of_site;
    uint64_t *now;        /* by function */
    uint64_t *last;       /* by site: its last row */
    uint32_t *touched;    /* functions that changed in the tick, each once */
    uint32_t *touched_in; /* by function: the tick it was touched in + 1 */
    uint32_t touched_count;
};

static void follow_row(struct following *f, const struct history_row *row)
{
    uint32_t function = f->holder_of_site[row->site];
    f->now[function] += row->bytes - f->last[row->site];
    f->last[row->site] = row->bytes;
    if (f->touched_in[function] == row->tick + 1)
        return;
    f->touched_in[function] = row->tick + 1;
    f->touched[f->touched_count++] = function;
}

static void end_tick(struct following *f, uint32_t tick)
{
    for (uint32_t i = 0; i < f->touched_count; i++) {
        uint32_t function = f->touched[i];
        struct height *height = &f->heights->items[function];
        if (f->now[function] > height->bytes)
            *height = (struct height){f->now[function], f->history->ticks[tick].end_ns};
    }
    f->touched_count = 0;
}

static void follow(struct following *f, uint32_t site_count)
{
    const struct history *h = f->history;
    for (uint32_t i = 0; i < h->row_count; i++) {
        if (h->rows[i].site >= site_count || h->rows[i].tick >= h->tick_count)
            continue;
        follow_row(f, &h->rows[i]);
        if (i + 1 == h->row_count || h->rows[i + 1].tick != h->rows[i].tick)
            end_tick(f, h->rows[i].tick);
    }
}

int heights_init(struct heights *h, uint32_t function_count, const struct replay *r,
                 const uint32_t *holder_of_site)
{
    *h = (struct heights){0};
    if (!r->history.tick_count || !r->history.row_count)
        return 0;
    struct following f = {.heights = h, .history = &r->history, .holder_of_site = holder_of_site};
    h->items = calloc(function_count, sizeof *h->items);
    f.now = calloc(function_count, sizeof *f.now);
    f.last = calloc(r->sites.count, sizeof *f.last);
    f.touched = calloc(function_count, sizeof *f.touched);
    f.touched_in = calloc(function_count, sizeof *f.touched_in);
    int rc = h->items && f.now && f.last && f.touched && f.touched_in ? 0 : -ERR_NOMEM;
    if (!rc) {
        h->count = function_count;
        follow(&f, r->sites.count);
    }
    free(f.now);
    free(f.last);
    free(f.touched);
    free(f.touched_in);
    return rc;
}

void heights_release(struct heights *h)
{
    free(h->items);
    *h = (struct heights){0};
}
