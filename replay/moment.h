/* The moment that a report is about: the peak, the end, a time, a mark, or the maximum inside a
 * window or its end. Why a choice with candidates: one pass must do, and only the peak's successor
 * tells that it was the peak (sites.h has the epochs). Invariants: the peak is the earliest moment
 * of the highest sum; a state lasts from its last event to the next TIME. Not here: parsing what
 * people type (options.h), where a window begins and ends (window.h), sums (replay.h). Not
 * thread-safe. */
#ifndef REPLAY_MOMENT_H
#define REPLAY_MOMENT_H

#include "replay/window.h"
#include <stdbool.h>
#include <stdint.h>

struct process;

enum moment_kind { MOMENT_PEAK, MOMENT_END, MOMENT_TIME, MOMENT_MARK, MOMENT_CLOSE };

struct moment_choice {
    enum moment_kind kind;
    uint64_t time_ns;            /* TIME: the state after all events up to and with it */
    const char *mark;            /* MARK: borrowed; the first mark of that name */
    struct window_choice window; /* PEAK: the maximum inside it, older blocks included; CLOSE: the
                                    state when it closes; what `temporary` and totals count */
};

struct moment {
    bool chosen; /* false: a TIME beyond the end, a MARK that never came, a window after the end */
    uint64_t bytes, time_ns;
    uint64_t serial; /* replay.serial then: blocks born up to it existed */
    uint32_t map_serial;
};

/* Sets what live_bytes must exceed to matter (replay.h), after anything that it depends on. */
void moment_gate(struct replay *r);
/* Opens or closes the gate for time 0. */
void moment_start(struct replay *r);
/* The state before now is the moment as far as known; time_ns is what the report will say. */
void moment_candidate(struct replay *r, uint64_t time_ns);
/* Time moves on to time_ns (not earlier than now). */
void moment_advance(struct replay *r, uint64_t time_ns);
/* A mark with this name was set. */
void moment_mark(struct replay *r, const struct name *name);
/* The window opens, or closes, in the state before now; time_ns is what the report will say. */
void moment_window_opens(struct replay *r, uint64_t time_ns);
/* The same for its end. */
void moment_window_closes(struct replay *r, uint64_t time_ns);
/* A process is about to end, but not by exec. */
void moment_process_end(struct replay *r, const struct process *p);
/* The trace ended. */
void moment_finish(struct replay *r);

#endif
