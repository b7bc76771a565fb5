/* Walking ticks and columns side by side (series.h). Why events are spread evenly over their tick:
 * nothing finer is known of them. */
#include "analyzer/series.h"

#include "format/error.h"
#include <stdlib.h>

/* A place among the ticks: the next point is the maximum of tick `next`, or (past) its end. */
struct cursor {
    const struct history *h;
    uint32_t next;
    bool past;
    uint64_t live_bytes, rss_bytes; /* as they stand there */
};

static bool next_point(const struct cursor *c, uint64_t *time_ns)
{
    if (c->next >= c->h->tick_count)
        return false;
    const struct history_tick *t = &c->h->ticks[c->next];
    *time_ns = c->past ? t->end_ns : t->high_ns;
    return true;
}

/* Passes the next point; the most that stands there goes into the column. */
static void pass_point(struct cursor *c, struct series_column *column)
{
    const struct history_tick *t = &c->h->ticks[c->next];
    uint64_t rss_bytes = c->past ? t->rss_high_bytes : c->rss_bytes;
    c->live_bytes = c->past ? t->live_bytes : t->high_bytes;
    c->rss_bytes = c->past ? t->rss_bytes : c->rss_bytes;
    if (c->live_bytes > column->live_bytes)
        column->live_bytes = c->live_bytes;
    if (rss_bytes > column->rss_bytes)
        column->rss_bytes = rss_bytes;
    c->next += c->past;
    c->past = !c->past;
}

/* Everything up to and with a time. */
static struct series_column pass_until(struct cursor *c, uint64_t time_ns)
{
    struct series_column column = {.live_bytes = c->live_bytes, .rss_bytes = c->rss_bytes};
    uint64_t point_ns;
    while (next_point(c, &point_ns) && point_ns <= time_ns)
        pass_point(c, &column);
    return column;
}

/* Events from the start to a time. *tick: where the last call ended; times do not go back. */
static double events_until(const struct history *h, uint32_t *tick, uint64_t time_ns)
{
    while (*tick < h->tick_count && h->ticks[*tick].end_ns <= time_ns)
        ++*tick;
    const struct history_tick *before = *tick ? &h->ticks[*tick - 1] : 0;
    uint64_t events = before ? before->events : 0, start_ns = before ? before->end_ns : 0;
    if (*tick >= h->tick_count || time_ns <= start_ns)
        return (double)events;
    const struct history_tick *t = &h->ticks[*tick];
    double share = (double)(time_ns - start_ns) / (double)(t->end_ns - start_ns);
    return (double)events + share * (double)(t->events - events);
}

uint64_t series_time(const struct series *s, int column)
{
    uint64_t span_ns = s->to_ns - s->from_ns;
    return s->from_ns + (uint64_t)((__uint128_t)span_ns * (unsigned)column / (unsigned)s->count);
}

int series_at(const struct series *s, uint64_t time_ns)
{
    if (time_ns <= s->from_ns)
        return 0;
    uint64_t span_ns = s->to_ns - s->from_ns, past_ns = time_ns - s->from_ns - 1;
    if (past_ns >= span_ns)
        return s->count - 1;
    int column = (int)((__uint128_t)past_ns * (unsigned)s->count / span_ns);
    while (column + 1 < s->count && series_time(s, column + 1) < time_ns)
        column++; /* columns begin at whole nanoseconds */
    return column;
}

static void note_most(struct series *s, const struct series_column *column, int index)
{
    if (column->live_bytes > s->most_live_bytes)
        s->most_live_bytes = column->live_bytes;
    if (column->rss_bytes > s->most_rss_bytes) {
        s->most_rss_bytes = column->rss_bytes;
        s->most_rss_ns = series_time(s, index);
    }
    if (column->events > s->most_events)
        s->most_events = column->events;
}

int series_make(struct series *s, const struct history *h, uint64_t from_ns, uint64_t to_ns,
                int count)
{
    struct cursor c = {.h = h};
    uint32_t tick = 0;
    *s = (struct series){.count = count, .from_ns = from_ns, .to_ns = to_ns};
    if (s->to_ns <= from_ns)
        s->to_ns = from_ns + 1;
    s->columns = calloc((size_t)count, sizeof *s->columns);
    if (!s->columns)
        return -ERR_NOMEM;
    pass_until(&c, from_ns);
    double events = from_ns ? events_until(h, &tick, from_ns) : 0, first = events;
    for (int i = 0; i < count; i++) {
        uint64_t end_ns = series_time(s, i + 1);
        double until = events_until(h, &tick, end_ns);
        s->columns[i] = pass_until(&c, end_ns);
        s->columns[i].events = until - events;
        events = until;
        note_most(s, &s->columns[i], i);
    }
    s->events = (uint64_t)(events - first + 0.5);
    return 0;
}

void series_release(struct series *s)
{
    free(s->columns);
    *s = (struct series){0};
}
