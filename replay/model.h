/* Who was recorded and what is known about the recording: processes, threads, marks, losses, how it
 * ended. Why apart from the sums: reports name these things long after the events went by.
 * Invariants: a process or thread never moves; an id that no readable block defines leads to one
 * shared `nobody`, so every event has a thread and a process. Not here: live memory (replay.h),
 * stacks (symbols.h). Not thread-safe. */
#ifndef REPLAY_MODEL_H
#define REPLAY_MODEL_H

#include "format/ranges.h"
#include "replay/live.h"
#include "replay/symbols.h"

/* What a process holds at one moment. Bytes outside live_bytes stand beside the peak, not in it. */
struct sums {
    uint64_t live_bytes, mapped_bytes, shared_bytes, arena_bytes, rss_bytes;
};

struct process {
    uint32_t id, pid, parent; /* parent: a process id or ID_NONE */
    uint32_t first_site;      /* its sites are chained (sites.h); 0: none */
    uint32_t epoch;           /* of `then`, as in sites.h */
    uint8_t how, flags, end_reason;
    bool defined, in_scope, ended, walked;
    bool active;    /* in scope and not ended: its events count */
    int64_t status; /* raw wait status, -1 unknown */
    uint64_t started_ns, ended_ns;
    uint64_t peak_bytes;        /* its own, inside the window */
    uint64_t high_bytes;        /* of the open tick of a history, else of all so far; before the end
                                   peak_bytes may be less */
    uint64_t window_peak_bytes; /* peak_bytes, kept when the window closes */
    uint64_t pooled_bytes;      /* scratch of reports: live in pools at the moment */
    struct sums now, then;
    struct sums told; /* at the end of the last tick */
    uint64_t told_resident_bytes;
    uint32_t told_row;            /* scratch of the history */
    struct process *next_changed; /* in the open tick */
    bool changed;
    struct ranges ranges;
    const struct name *python, *executable, **arguments;
    uint32_t argument_count;
};

/* A thread's latest FREE, which an UNFREE may take back. */
struct freed {
    bool valid, temporary;
    uint32_t epoch; /* of the sites then */
    struct slot slot;
    struct block big; /* with site 0 if it was none (residency.h) */
};

#define FORMER_NAMES 8u

struct thread {
    uint32_t id, tid, origin_stack;
    bool defined, named; /* named: its name is not just its creator's */
    uint8_t former_count;
    struct process *process;
    const struct name *name;         /* the latest */
    const struct name **former;      /* that it was given before, its last ones; NULL: none */
    uint64_t allocs;                 /* allocator calls so far */
    uint32_t lanes[ALLOCATOR_LIMIT]; /* of its sites (sites.h), 0: none yet */
    struct freed freed;
};

/* Who an address of its events belongs to, as in struct slot. */
static inline uint64_t thread_owner(const struct thread *t) { return (uint64_t)t->process->id + 1; }

struct mark {
    const struct name *name;
    uint64_t time_ns;
};

/* Where a module stood in a process (FORMAT.md 3.5). */
struct module {
    uint32_t process, function; /* function: of kind MODULE, 0: not told */
    uint64_t address, length, file_offset;
};

/* LOST counts of one process (or of the recorder) by reason. */
struct loss {
    uint32_t process; /* or ID_NONE */
    uint8_t reason;
    uint64_t count;
};

struct model {
    struct symbols symbols;
    struct sparse processes, threads;
    struct process nobody;
    struct thread no_thread;
    struct mark *marks;
    size_t mark_count, mark_capacity;
    struct module *modules; /* in the order in which they were met */
    size_t module_count, module_capacity;
    struct loss *losses;
    size_t loss_count, loss_capacity;
    uint64_t lost_by_reason[REASON_COUNT];
    bool has_exit;
    uint32_t exit_status;
    uint8_t exit_oom, stop_reason;
    uint64_t stop_ns;
};

/* Returns 0 or -ERR_NOMEM; release is needed in both cases. */
int model_init(struct model *m);
/* Frees everything, also after a failed init. */
void model_release(struct model *m);

/* Defines from records; what was defined before stays. Return 0 or -ERR_NOMEM. */
int model_define_process(struct model *m, const struct record *record, uint64_t time_ns);
/* The same for threads; a process that is not defined is `nobody`. */
int model_define_thread(struct model *m, const struct record *record);
/* A name that the thread was given before its latest. Returns 0 or -ERR_NOMEM. */
int model_add_former(struct thread *t, const struct name *name);
/* Is it the thread's name, or one that it was given before? */
bool model_thread_named(const struct thread *t, const char *name, size_t length);
/* NAME, PYTHON, MARK, MODULE, LOST records. Return 0 or -ERR_NOMEM. */
int model_note(struct model *m, const struct record *record, uint64_t time_ns);

/* Keeps where a module stood. Returns 0 or -ERR_NOMEM. */
int model_add_module(struct model *m, const struct module *module);

/* The process or thread of an id; `nobody` where it is not defined. Never NULL. */
struct process *model_process(struct model *m, uint32_t id);
/* The same for threads. */
struct thread *model_thread(struct model *m, uint32_t id);
/* For walks over all ids 0 .. limit-1: NULL where nothing is defined. */
struct process *model_process_at(const struct model *m, uint32_t id);
/* The first process of the trace, or NULL. */
struct process *model_root(const struct model *m);

/* Events that the recorder knows it lost: the sum over the reasons that lose events (not stacks,
 * not names). */
uint64_t model_lost_events(const struct model *m);

#endif
