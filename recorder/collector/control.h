/* What the launcher and the collector tell each other, over a SOCK_SEQPACKET pair; one struct a
 * message. The end of the pair means that the other one is gone: the collector then stops recording
 * and closes the trace. */
#ifndef RECORDER_COLLECTOR_CONTROL_H
#define RECORDER_COLLECTOR_CONTROL_H

#include <stdint.h>

enum control_kind {
    CONTROL_READY = 1, /* collector: programs may start */
    CONTROL_FAILED,    /* collector: it cannot; text says why */
    CONTROL_STARTED,   /* launcher: pid is the program */
    CONTROL_REFUSED,   /* collector: the program's interpreter cannot be recorded; text says why */
    CONTROL_ENDED,     /* launcher: status is the program's raw wait status */
    CONTROL_DONE,      /* collector: the trace is closed, or `living` recorded processes go on */
    CONTROL_STOPPING,  /* collector: memory is nearly used up, and it stops these processes: pids
                          holds `living` of them. Should it end now, the launcher continues them */
    CONTROL_GUARD,     /* collector: they stand, the trace is written up to here; text says why */
    CONTROL_GO         /* launcher: it has told; the processes may be ended */
};

#define CONTROL_PIDS 128

struct control {
    uint32_t kind;
    uint32_t pid, status, living;
    uint32_t oom;          /* DONE: enum oom_cause */
    uint32_t stopped;      /* DONE: enum reason, why recording ended early */
    uint32_t not_recorded; /* DONE: Pythons in the tree without stacks */
    uint32_t no_place;     /* DONE: processes that could not join the recording */
    uint32_t cut_short;    /* DONE: processes that stopped recording before their end */
    uint32_t met;          /* DONE: processes that were recorded */
    uint32_t no_native;    /* DONE: program images that would have native stacks if they could */
    uint64_t lost_events, lost_stacks, trace_bytes, events;
    union {
        char text[512];
        uint32_t pids[CONTROL_PIDS];
    };
};

#endif
