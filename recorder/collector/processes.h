/* The recorded processes: noticed in the shared slots, followed by pidfd to their end.
 * Invariants: a process is keyed by its slot and serial; its PROCESS comes before anything of it in
 * the trace, its PROCESS_END after everything. What it defined is kept as long as a fork of it may
 * still turn up. Not here: rings (merge.h), sampling (sample.h). Not thread-safe. */
#ifndef RECORDER_COLLECTOR_PROCESSES_H
#define RECORDER_COLLECTOR_PROCESSES_H

#include "recorder/collector/output.h"
#include "recorder/collector/recorded.h"
#include "recorder/collector/serve.h"
#include "recorder/collector/shared.h"

/* What all processes may define and map together, beyond which stacks are unknown: a program may
 * claim whatever it likes. This much always, and up to a share of the memory that there is: a
 * million native stacks are three million nodes. */
#define DEFINITIONS_BYTES      (UINT64_C(256) << 20)
#define DEFINITIONS_MOST_BYTES (UINT64_C(2) << 30)
#define DEFINITIONS_SHARE      16u

struct processes {
    struct shared *shared;
    struct output *output;
    struct serve *serve; /* what new images said of themselves */
    struct address_pool pool;
    struct recorded *first, **last; /* the living, in order of discovery */
    struct recorded *past; /* the lately ended, the latest first: later ones name them as parents */
    struct allowance allowance;
    uint64_t pruned_ns;            /* of the last look at the past */
    unsigned vain_searches;        /* for namesakes, one after another */
    uint64_t ended_ns[SLOT_LIMIT]; /* of slots in state SLOT_ENDED */
    struct recorded *by_slot[SLOT_LIMIT];
    uint32_t root_pid; /* 0: not started yet */
    unsigned living;
    uint64_t changes;      /* births and ends so far: whoever walks the list looks at it */
    uint32_t not_recorded; /* Pythons whose stacks could not be read */
    uint32_t no_place;     /* processes that could not join */
    uint32_t unnamed;      /* of these, those that are not in the trace */
    uint32_t stopped;      /* processes that stopped recording before their end */
    uint32_t met;          /* processes that joined */
    uint32_t no_python;    /* new images without a Python */
    uint64_t lost_events, lost_stacks;
    bool root_failed; /* of the root's last image (recorded.h) */
    uint64_t root_since_failure;
};

/* Everything given is borrowed; pool_bytes: what all address maps may take together. */
void processes_init(struct processes *all, struct shared *shared, struct output *output,
                    struct serve *serve, size_t pool_bytes);
/* What definitions may take where there is so much memory, bytes. */
uint64_t processes_definitions_bytes(uint64_t whole_bytes);
/* Frees every process, living or past. */
void processes_release(struct processes *all);

/* A process, living or past; NULL: none. */
struct recorded *processes_by_serial(const struct processes *all, uint32_t serial);

/* The living process with that pid; NULL: none. */
struct recorded *processes_living(const struct processes *all, uint32_t pid);

/* A forked child takes over what its parent has defined; once. */
void processes_inherit(struct recorded *child, const struct recorded *parent);

/* Takes in new slots and writes their PROCESS records. */
void processes_discover(struct processes *all);
/* Marks as dying whoever has ended, or has replaced its image. */
void processes_check(struct processes *all);
/* The last word of a dying process: losses and PROCESS_END; its slot is free again. All its rings
 * have been drained. */
void processes_end(struct processes *all, struct recorded *p, enum process_end reason);

#endif
