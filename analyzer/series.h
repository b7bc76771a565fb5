/* What a history says of an interval, cut into as many columns as a plot has: the most live bytes
 * and the most RSS of each, and its events. Why from two points a tick (its maximum with its time,
 * and its end): between ticks the values are those that stood, so a column is right however it lies
 * to the ticks. Not here: drawing (plot.h), ticks (replay/history.h). Thread-safe. */
#ifndef ANALYZER_SERIES_H
#define ANALYZER_SERIES_H

#include "replay/history.h"

struct series_column {
    uint64_t live_bytes, rss_bytes;
    double events;
};

struct series {
    struct series_column *columns;
    int count;
    uint64_t from_ns, to_ns; /* from_ns < to_ns */
    uint64_t most_live_bytes, most_rss_bytes, most_rss_ns;
    uint64_t events;
    double most_events; /* of a column */
};

/* Fills `count` >= 1 columns of the time after from_ns up to to_ns. Returns 0 or -ERR_NOMEM;
 * release is needed in both cases. */
int series_make(struct series *s, const struct history *h, uint64_t from_ns, uint64_t to_ns,
                int count);
/* Frees the columns. */
void series_release(struct series *s);
/* The time at which a column begins; `count` is the end of the last. */
uint64_t series_time(const struct series *s, int column);
/* The column of a time; the nearest for one outside. */
int series_at(const struct series *s, uint64_t time_ns);

#endif
