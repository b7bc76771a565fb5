/* The interval that a report is about, as [from, to]: a time, the first mark of a name, or the peak
 * of the whole run at either end; by default the whole run. Why marks and the peak are met on the
 * way and not turned into times: many events share a time, and between two of them a mark stands
 * exactly. Invariants: opens once, closes once, a window that would close before it opens is told
 * as backwards; blocks that are older when it opens keep sites of their own where `apart` is asked
 * for, so that what the window allocated has its own sums, of mappings and residency too. Not here:
 * the moment inside the window (moment.h). Not thread-safe. */
#ifndef REPLAY_WINDOW_H
#define REPLAY_WINDOW_H

#include "replay/sites.h"

struct replay;

/* One end of a window. */
struct window_edge {
    const char *mark; /* borrowed; the first mark of that name; NULL: a time, or the peak */
    bool peak;        /* the peak of the whole run, which has window_choice.peak_bytes */
    uint64_t time_ns; /* otherwise: the window has everything at this very time, too */
};

struct window_choice {
    struct window_edge from, to;
    uint64_t peak_bytes;
    bool apart; /* what the window allocates gets sites of its own */
};

struct window {
    bool opened, closed;
    bool backwards;           /* `to` came first */
    uint64_t from_ns, to_ns;  /* when it opened and closed, as far as it did */
    struct site_values *kept; /* apart: by lane, what it allocated and was not freed by its end */
    uint32_t kept_count;
    bool failed; /* out of memory for these, which replay_finish tells */
};

/* The choice of the whole run. */
struct window_choice window_all(void);
/* Before the first event: opens it where it begins with the run. */
void window_start(struct replay *r);
/* Time moves on to time_ns: what is done before that time's events. */
void window_advance(struct replay *r, uint64_t time_ns);
/* A mark with this name was set. */
void window_mark(struct replay *r, const struct name *name);
/* The state is as high as the whole run's peak. */
void window_peak(struct replay *r);
/* Does an end still wait for the peak? */
bool window_waits_for_peak(const struct replay *r);
/* The trace ended: closes a window that is open. */
void window_finish(struct replay *r);
/* After that, and after each process's maximum is settled: their maxima are the window's. */
void window_own_peaks(struct replay *r);
/* Frees what it holds. */
void window_release(struct window *w);
/* Does a mark's name read so? */
bool window_named(const struct name *name, const char *wanted);

#endif
