/* What all hooks share: entering our own code, the stack behind a call, the words of a block's
 * life. The pattern of every hook: real call; if it may be recorded, enter; write; leave. Frees are
 * written before the real call and allocations after it, so that no other thread can be given the
 * address in between. Invariants: a hook returns what the real function returned, errno included;
 * nothing in here allocates. */
#ifndef RECORDER_PRELOAD_HOOKS_H
#define RECORDER_PRELOAD_HOOKS_H

#include "recorder/preload/big.h"
#include "recorder/preload/emit.h"
#include <errno.h>

/* Claims the thread for our own code. False: not recorded, because recording is off or because we
 * interrupted ourselves (counted), or because a real allocator is at work and this call lies
 * beneath one that is recorded. */
static inline bool hook_enter(struct thread *t)
{
    if (UNLIKELY(t->busy)) {
        if (t->busy == BUSY_ALLOCATOR)
            t->nested = 1;
        else if (process.open)
            atomic_fetch_add_explicit(&process.slot->reentered, 1, memory_order_relaxed);
        return false;
    }
    t->busy = BUSY_HOOK; /* before the gate is asked: whoever forks from here on sees it */
    atomic_signal_fence(memory_order_seq_cst);
    if (LIKELY(process_recording()))
        return true;
    t->busy = BUSY_NO;
    return false;
}

static inline void hook_leave(struct thread *t)
{
    if (UNLIKELY(t->ended))
        emit_close(t);
    atomic_signal_fence(memory_order_seq_cst);
    t->busy = BUSY_NO;
}

/* The node of the calling thread's stack: its Python frames, else those that created it. */
static inline uint32_t hook_node(struct thread *t)
{
    uint32_t node =
        process.flags & SHM_STACKS && LIKELY(!t->ended) ? walk_current(&t->walker) : NODE_NONE;
    if (UNLIKELY(node == NODE_LOST))
        atomic_fetch_add_explicit(&process.slot->lost_nodes, 1, memory_order_relaxed);
    return node ? node : t->origin;
}

/* An allocation that succeeded. Call between enter and leave. */
static ALWAYS_INLINE void hook_alloc(struct thread *t, const void *block, uint64_t bytes,
                                     unsigned allocator)
{
    uint32_t node = hook_node(t);
    if (UNLIKELY(bytes >= BIG_BYTES))
        big_add(block, bytes);
    if (LIKELY(bytes < UINT32_MAX))
        emit2(t, RING_WORD(RING_ALLOC, allocator, (uintptr_t)block), bytes | (uint64_t)node << 32);
    else
        emit3(t, RING_WORD(RING_ALLOC_BIG, allocator, (uintptr_t)block), bytes, node);
}

/* An allocation that failed; why: an errno (ENOMEM is what a program may die of). */
static inline void hook_failed(struct thread *t, uint64_t bytes, unsigned allocator, int why)
{
    uint64_t head = RING_WORD(RING_FAILED, allocator, (unsigned)why);
    emit3(t, head, bytes, hook_node(t));
}

/* The outcome of an allocating call: a block, or a failure with errno. For entering and leaving
 * around it, see hook_outcome. */
static inline void hook_result(struct thread *t, const void *block, uint64_t bytes,
                               unsigned allocator)
{
    if (LIKELY(block != NULL))
        hook_alloc(t, block, bytes, allocator);
    else
        hook_failed(t, bytes, allocator, errno);
}

static inline void hook_outcome(struct thread *t, const void *block, uint64_t bytes,
                                unsigned allocator)
{
    if (!hook_enter(t))
        return;
    hook_result(t, block, bytes, allocator);
    hook_leave(t);
}

/* A big block is about to be freed: what was ever touched of it. */
static inline void hook_last_look(struct thread *t, const void *block)
{
    uint64_t bytes = big_take(block);
    uint64_t resident = bytes ? big_resident(block, bytes) : BIG_UNKNOWN;
    if (resident != BIG_UNKNOWN)
        emit2(t, RING_WORD(RING_RESIDENT, 0, (uintptr_t)block), resident);
}

/* A free beneath one of our calls: of the call's own block, which was told already, or of another
 * one, which may be known. */
static inline void hook_free_nested(struct thread *t, const void *block)
{
    if (t->busy != BUSY_ALLOCATOR || block == t->own_block || !process_recording())
        return;
    t->busy = BUSY_HOOK;
    atomic_signal_fence(memory_order_seq_cst);
    emit1(t, RING_WORD(RING_FREE_NESTED, 0, (uintptr_t)block));
    hook_leave(t);
    t->busy = BUSY_ALLOCATOR;
}

/* A block is about to be freed. Returns whether it was written. */
static ALWAYS_INLINE bool hook_free(struct thread *t, const void *block)
{
    if (!hook_enter(t)) {
        hook_free_nested(t, block);
        return false;
    }
    if (UNLIKELY(big_possible(block)))
        hook_last_look(t, block);
    bool written = emit1(t, RING_WORD(RING_FREE, 0, (uintptr_t)block));
    hook_leave(t);
    return written;
}

/* The end of a realloc whose old block's free was written before (`freed`). */
static inline void hook_realloc_outcome(struct thread *t, bool freed, void *old, const void *block,
                                        uint64_t bytes, unsigned allocator)
{
    if (!hook_enter(t))
        return;
    if (UNLIKELY(!block && freed))
        emit1(t, RING_WORD(RING_UNDO_FREE, 0, (uintptr_t)old));
    hook_result(t, block, bytes, allocator);
    hook_leave(t);
}

#endif
