/* This process as a recorded one: its slot, its mapping of the shared file, and the gate that every
 * hook asks first.
 *
 *   gate 1, until the constructor runs ── what happens is kept aside (early.h)
 *   gate 0, never attached or given up ── inert: hooks pass through
 *   gate 1 ── recording
 *   gate 0, but was open ── we are a forked child: claim a slot, open the gate again
 *
 * Why a wiped page: the kernel zeroes it in a forked child, whoever forked and however, so no
 * handler can be missed. Invariants: nothing in here allocates, prints, or waits without bound;
 * giving up is for good and is told in the slot. Not here: words (emit.h), what is asked of the
 * collector at start (attach.h). */
#ifndef RECORDER_PRELOAD_PROCESS_H
#define RECORDER_PRELOAD_PROCESS_H

#include "format/event.h"
#include "recorder/preload/walk.h"
#include "recorder/ring.h"
#include <pthread.h>
#include <stdbool.h>

#define LIKELY(x)     __builtin_expect(!!(x), 1)
#define UNLIKELY(x)   __builtin_expect(!!(x), 0)
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define HIDDEN        __attribute__((visibility("hidden")))
#define EXPORT        __attribute__((visibility("default")))

struct process {
    struct shm_control *control; /* NULL: not attached */
    struct process_slot *slot;   /* until attached one of our own, that nobody reads */
    uint32_t slot_index, serial;
    uint32_t pid;        /* as this process sees itself: a vfork child sees another */
    uint32_t flags;      /* enum shm_flag */
    bool open;           /* the gate should be 1: what a forked child compares with */
    bool root;           /* the program that memrec started */
    bool collector_seen; /* its pid means something in our pid namespace */
    bool unanswered;     /* nobody answered a thread in time: no other one is to wait again */
    pthread_key_t key;   /* its destructor closes a thread's ring */
    struct ring *chunks[CHUNK_LIMIT];
};

enum busy {
    BUSY_NO,
    BUSY_ALLOCATOR /* in a real allocator that may call others */,
    BUSY_HOOK /* in our own code */
};

/* All we keep for a thread; initial-exec, so that reaching it allocates nothing. */
struct thread {
    struct ring *ring; /* NULL: none yet */
    uint64_t head;     /* bytes written; the truth is in the ring */
    uint64_t limit;    /* while head is below, two words may be stored at once (emit.h) */
    uint64_t room;     /* head may grow to here before the tail is asked again */
    uint32_t ring_index;
    uint32_t tid;
    uint32_t retry;        /* calls to pass before asking for a ring again */
    const void *own_block; /* BUSY_ALLOCATOR: what the call frees or moves; NULL: nothing */
    uint8_t busy;          /* enum busy */
    uint8_t nested;        /* a malloc happened inside a real allocator */
    uint8_t ended; /* its destructor has run: what follows keeps no ring and takes no stack */
    uint8_t fork_announced; /* between our handlers before and after a fork */
    uint8_t fork_locked;    /* the interner is held over it */
    uint16_t turn_mark; /* ring_index + 1: the turn word's low half while it is ours; 0: no ring */
    struct walker walker;
    uint64_t name[2]; /* its name's bytes as far as we know, zeros behind them; 0: we don't */
};

/* This process. */
extern HIDDEN struct process process;
/* Its gate (the picture above). */
extern HIDDEN _Atomic uint32_t *process_gate;
/* The calling thread. */
extern HIDDEN __thread struct thread thread_self __attribute__((tls_model("initial-exec")));

/* The slow half of the gate: true in a forked child that could claim a slot. Preserves errno. */
HIDDEN bool process_gate_closed(void);

/* May this call be recorded? One load where it may. Any thread. */
static inline bool process_recording(void)
{
    return LIKELY(atomic_load_explicit(process_gate, memory_order_relaxed)) ||
           process_gate_closed();
}

/* Opens the gate for the first time: the mapping and the slot are set. Returns false when the page
 * is not to be had. */
HIDDEN bool process_open(void);

/* Puts the walker's own counts into the slot; any thread, now and then and at the end. */
HIDDEN void process_tell_losses(void);

/* Ends recording in this process for good; why goes to the slot. Any thread; the first reason
 * stays. */
HIDDEN void process_give_up(enum reason why);

/* Handlers of pthread_atfork. Registered first, ours is the last before the fork, when whatever
 * other handlers wait for has happened: the interner is held and the child announced. */
HIDDEN void process_fork_prepare(void);
/* After it, in the parent. A fork that failed leaves the announcement standing: the slot is then
 * kept for a minute longer at the end. */
HIDDEN void process_fork_parent(void);
/* After it, in the child, where a signal handler forked that had interrupted our own code: that
 * goes on in the child, too, and writes as if it were the parent; from here on into private memory.
 * Such a child is not recorded (counted). Preserves errno. */
HIDDEN void process_fork_child(void);

/* Does the collector's pid exist, as seen from here? May change errno. */
HIDDEN bool process_sees_collector(void);

/* mmap(2) past our own hook; MAP_FAILED and errno as the system call. */
HIDDEN void *raw_mmap(void *address, size_t bytes, int protection, int flags, int fd,
                      int64_t offset);
/* futex(2); -1 and errno as the system call. */
HIDDEN long raw_futex(_Atomic uint32_t *word, int operation, uint32_t value,
                      const struct timespec *timeout);

#endif
