/* Stacks as numbers: a node is (parent node, code, instruction), and equal ones have one id.
 *
 * Nodes live by id in chunks; an index of ids by hash is read without a lock and written under the
 * one intern lock, which code.c shares. The index doubles before it is three quarters full; old
 * ones stay mapped, for a reader may still be in them. Bytes a node: 16 and 5.4 to 10.7 of the
 * index and at most as much again of old ones: below 38.
 *
 * Invariants: an id becomes visible to others only after define_node has returned true for it;
 * nodes are never removed; a parent's id is smaller than its child's.
 * Not here: who walks (walk.h), what a code is (code.h). */
#ifndef RECORDER_PRELOAD_INTERN_H
#define RECORDER_PRELOAD_INTERN_H

#include <stdbool.h>
#include <stdint.h>

enum {
    NODE_NONE = 0,        /* no Python stack */
    NODE_LOST = 1,        /* a Python stack that could not be told; never a parent, never defined */
    NODE_FIRST = 2,       /* the first real id */
    NODE_LIMIT = 1 << 28, /* ids are below this */
};

/* The id of a node. parent: NODE_NONE or a real id; code_id: from code_intern; lasti_bytes: as
 * define_node's. recent: the thread's own, what it was told last, 0 before the first: what follows
 * it is guessed from.
 * Returns NODE_FIRST..NODE_LIMIT-1, or NODE_LOST: no memory, all ids taken, the lock not had,
 * define_node refused. Any thread; lock-free when the node is known. Preserves errno. */
uint32_t intern_node(uint32_t parent, uint32_t code_id, int32_t lasti_bytes, uint32_t *recent);

/* Such a node may be asked for soon: fetches what that would look at first. Changes nothing. Any
 * thread. */
void intern_expect(uint32_t parent, uint32_t code_id, int32_t lasti_bytes);

/* Nodes interned so far (ids NODE_FIRST .. NODE_FIRST + count - 1). Any thread. */
uint32_t intern_count(void);

/* The lock under which ids are given out. Waits at most LOCK_WAIT_NS (lock.h); returns false at
 * once in a thread that holds it already (a signal handler that interrupted its holder). */
bool intern_lock(void);

/* Let go of it and wake one waiter. Only its holder. May change errno. */
void intern_unlock(void);

/* In a forked child: the lock is free, whoever held it. */
void intern_lock_reset(void);

#endif
