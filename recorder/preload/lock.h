/* A lock that nobody waits for without bound.
 *
 * Why not libc's: those of the program may be replaced, and wait for ever for a holder that was
 * stopped, or that a fork left behind. Whoever doesn't get this one does without what it guards.
 *
 * Invariants: a thread that holds it already is refused (a signal handler that interrupted its
 * holder). After somebody waited in vain nobody waits, until the lock is found free again. */
#ifndef RECORDER_PRELOAD_LOCK_H
#define RECORDER_PRELOAD_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* The longest that anyone waits: longer than a holder may wait on a full ring (2 s). */
#define LOCK_WAIT_NS 3000000000ull

/* All zero: free. */
struct lock {
    _Atomic uint32_t word;
    _Atomic uintptr_t holder; /* a thread's own address; read only to find out whether that is me */
    _Atomic bool stuck;
};

/* Take it, waiting for LOCK_WAIT_NS at most. Returns whether it is held now. May change errno. */
bool lock_take(struct lock *lock);

/* Let go of it and wake one waiter. Only its holder. May change errno. */
void lock_leave(struct lock *lock);

/* In a forked child: it is free, whoever held it. */
void lock_reset(struct lock *lock);

#endif
