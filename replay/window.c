/* Opening and closing a window while events go by (window.h). Why lanes are forgotten where it
 * opens: a thread that finds no lane makes a new one, and sites of a new lane are new. */
#include "replay/replay.h"

#include "format/error.h"
#include <stdlib.h>
#include <string.h>

struct window_choice window_all(void)
{
    return (struct window_choice){.to = {.time_ns = UINT64_MAX}};
}

static const struct window_choice *choice_of(const struct replay *r)
{
    return &r->options.moment.window;
}

/* From here on allocations belong to the window, or no longer. */
static void part_sites(struct replay *r, bool inside)
{
    r->sites.inside = inside;
    r->sites.parted = choice_of(r)->apart;
    if (!r->sites.parted)
        return;
    for (uint32_t id = 0; id < r->model.threads.limit; id++) {
        struct thread *t = sparse_get(&r->model.threads, id);
        if (t)
            memset(t->lanes, 0, sizeof t->lanes);
    }
    memset(r->model.no_thread.lanes, 0, sizeof r->model.no_thread.lanes);
}

/* Each process's own maximum begins anew, with what it holds. */
static void forget_peak(struct process *p)
{
    p->peak_bytes = 0;
    p->high_bytes = p->now.live_bytes;
}

static void forget_peaks(struct replay *r)
{
    forget_peak(&r->model.nobody);
    for (uint32_t id = 0; id < r->model.processes.limit; id++) {
        struct process *p = model_process_at(&r->model, id);
        if (p)
            forget_peak(p);
    }
}

static void keep_peaks(struct replay *r)
{
    for (uint32_t id = 0; id < r->model.processes.limit; id++) {
        struct process *p = model_process_at(&r->model, id);
        if (!p)
            continue;
        process_settle(p);
        p->window_peak_bytes = p->high_bytes > p->peak_bytes ? p->high_bytes : p->peak_bytes;
    }
}

void window_own_peaks(struct replay *r)
{
    for (uint32_t id = 0; id < r->model.processes.limit; id++) {
        struct process *p = model_process_at(&r->model, id);
        if (p && r->window.opened)
            p->peak_bytes = p->window_peak_bytes;
    }
}

/* A history is exact at the ends of the window, and no tick lies on both sides. */
static void end_tick(struct replay *r, uint64_t time_ns)
{
    history_advance(r, time_ns);
    history_stop(r, time_ns, HISTORY_EDGE);
}

/* Sums up by lane what the window allocated and was not freed. */
static void keep_sites(struct replay *r)
{
    struct sites *s = &r->sites;
    struct site_values *kept = choice_of(r)->apart ? calloc(s->lane_count, sizeof *kept) : 0;
    r->window.failed = choice_of(r)->apart && !kept;
    r->window.kept = kept;
    r->window.kept_count = kept ? s->lane_count : 0;
    for (uint32_t id = 1; kept && id < s->count; id++) {
        struct site_values v = site_leak(s, id), *sum = &kept[s->items[id].lane];
        if (!site_lane(s, id)->inside)
            continue;
        sum->bytes += v.bytes;
        sum->resident_bytes += v.resident_bytes;
        sum->unsampled_bytes += v.unsampled_bytes;
        sum->count += v.count;
    }
}

/* What came between two readings of the totals. */
static void count_inside(struct totals *inside, const struct totals *before,
                         const struct totals *after)
{
    enum { COUNTS = sizeof(struct totals) / sizeof(uint64_t) };
    uint64_t from[COUNTS], to[COUNTS];
    memcpy(from, before, sizeof from);
    memcpy(to, after, sizeof to);
    for (int i = 0; i < COUNTS; i++)
        to[i] -= from[i];
    memcpy(inside, to, sizeof *inside);
}

_Static_assert(sizeof(struct totals) % sizeof(uint64_t) == 0, "totals are counts of 64 bits");

static void open_window(struct replay *r, uint64_t time_ns)
{
    struct window *w = &r->window;
    if (time_ns || r->totals.events)
        end_tick(r, time_ns);
    w->opened = true;
    w->from_ns = time_ns;
    r->inside = true;
    r->totals_before = r->totals;
    part_sites(r, true);
    forget_peaks(r);
    moment_window_opens(r, time_ns);
}

/* at_end: of the trace, not met on the way. */
static void close_window(struct replay *r, uint64_t time_ns, bool at_end)
{
    struct window *w = &r->window;
    w->closed = true;
    w->backwards = !w->opened;
    if (!w->opened)
        return;
    if (!at_end)
        end_tick(r, time_ns);
    w->to_ns = time_ns;
    r->inside = false;
    count_inside(&r->totals_inside, &r->totals_before, &r->totals);
    part_sites(r, false);
    keep_sites(r);
    keep_peaks(r);
    moment_window_closes(r, time_ns);
}

static bool by_time(const struct window_edge *edge) { return !edge->mark && !edge->peak; }

void window_start(struct replay *r)
{
    const struct window_choice *choice = choice_of(r);
    if (by_time(&choice->from) && !choice->from.time_ns)
        open_window(r, 0);
}

void window_advance(struct replay *r, uint64_t time_ns)
{
    const struct window_choice *choice = choice_of(r);
    const struct window_edge *from = &choice->from, *to = &choice->to;
    if (!r->window.opened && by_time(from) && time_ns >= from->time_ns)
        open_window(r, from->time_ns);
    if (!r->window.closed && by_time(to) && time_ns > to->time_ns)
        close_window(r, to->time_ns, false);
}

bool window_named(const struct name *name, const char *wanted)
{
    return name->length == strlen(wanted) && !memcmp(name->bytes, wanted, name->length);
}

void window_mark(struct replay *r, const struct name *name)
{
    const struct window_edge *from = &choice_of(r)->from, *to = &choice_of(r)->to;
    if (!r->window.opened && from->mark && window_named(name, from->mark))
        open_window(r, r->time_ns);
    if (!r->window.closed && to->mark && window_named(name, to->mark))
        close_window(r, r->time_ns, false);
}

bool window_waits_for_peak(const struct replay *r)
{
    const struct window_choice *choice = choice_of(r);
    return (choice->from.peak && !r->window.opened) || (choice->to.peak && !r->window.closed);
}

void window_peak(struct replay *r)
{
    if (choice_of(r)->from.peak && !r->window.opened)
        open_window(r, r->time_ns);
    if (choice_of(r)->to.peak && !r->window.closed)
        close_window(r, r->time_ns, false);
}

void window_finish(struct replay *r)
{
    struct window *w = &r->window;
    bool stopped = r->stopped;
    if (!w->closed && w->opened)
        close_window(r, r->time_ns, true);
    r->stopped = stopped; /* all was read */
}

void window_release(struct window *w)
{
    free(w->kept);
    *w = (struct window){0};
}
