/* A plot in a terminal: live bytes as a filled area, RSS as a line over it, a row of event rates, a
 * time axis, and named moments.
 *
 *           peak 14.4 MiB ▼
 *   20 MiB ┤         ╭─────────          ─ RSS
 *          ┤    ╭────╯▂▅██▇▃▁
 *   10 MiB ┤  ╭─╯▂▅█████████████▆▆▆      █ live
 *          ┼──┬────────┬────────┬────
 *            0 s      1 s      2 s
 *                     ▲ loaded
 *
 * Why one column a sample and blocks of eighths: it reads at once, in any font, and prints the same
 * through a pipe. Invariants: no row is wider than the terminal; in ASCII where the locale is not
 * UTF-8. Not here: the numbers (series.h), what the report says beside it (timeline.c). Not
 * thread-safe. */
#ifndef ANALYZER_PLOT_H
#define ANALYZER_PLOT_H

#include "analyzer/series.h"
#include "analyzer/terminal.h"

/* A named moment. */
struct plot_mark {
    const char *name; /* safe to show */
    uint64_t time_ns;
};

struct plot {
    const struct terminal *terminal;
    const struct series *series;
    const struct plot_mark *marks; /* in order of time; those outside the series are passed over */
    size_t mark_count;
    const char *peak; /* the words at the moment below, or NULL: none is shown */
    uint64_t peak_ns;
};

/* The columns that the area has at this width. */
int plot_columns(const struct terminal *t);
/* Prints it. Returns 0 or -ERR_NOMEM. */
int plot_print(const struct plot *p);

#endif
