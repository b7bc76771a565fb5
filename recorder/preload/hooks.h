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

/* A call while the thread is busy: it lies beneath one that is recorded, whose event it is part of;
 * or we interrupted ourselves (counted). */
HIDDEN __attribute__((cold)) void hook_beneath(struct thread *t);

/* Claims the thread for our own code. False: not recorded, because recording is off or because the
 * thread is busy (hook_beneath). */
static ALWAYS_INLINE bool hook_enter(struct thread *t)
{
    if (UNLIKELY(t->busy)) {
        hook_beneath(t);
        return false;
    }
    t->busy = BUSY_HOOK; /* before the gate is asked: whoever forks from here on sees it */
    atomic_signal_fence(memory_order_seq_cst);
    if (LIKELY(process_recording()))
        return true;
    t->busy = BUSY_NO;
    return false;
}

static ALWAYS_INLINE void hook_leave(struct thread *t)
{
    atomic_signal_fence(memory_order_seq_cst);
    t->busy = BUSY_NO;
}

/* What stands for a stack that is none (NODE_NONE) or could not be told (NODE_LOST, counted). */
HIDDEN __attribute__((cold)) uint32_t hook_node_otherwise(const struct thread *t, uint32_t node);

/* The node of the calling thread's stack: its Python frames, else those that created it. */
static ALWAYS_INLINE uint32_t hook_node(struct thread *t)
{
    uint32_t node = walk_current(&t->walker);
    return LIKELY(node >= NODE_FIRST) ? node : hook_node_otherwise(t, node);
}

/* The same for calls that a signal handler may make, in the middle of anything that Python does. */
HIDDEN uint32_t hook_node_anywhere(struct thread *t);

/* An allocation of BIG_BYTES and more. */
HIDDEN __attribute__((cold)) void hook_alloc_big(struct thread *t, const void *block,
                                                 uint64_t bytes, unsigned allocator);

/* An allocation that succeeded. Call between enter and leave. */
static ALWAYS_INLINE void hook_alloc(struct thread *t, const void *block, uint64_t bytes,
                                     unsigned allocator)
{
    if (UNLIKELY(bytes >= BIG_BYTES)) {
        hook_alloc_big(t, block, bytes, allocator);
        return;
    }
    uint32_t node = hook_node(t);
    emit2(t, RING_WORD(RING_ALLOC, allocator, (uintptr_t)block), bytes | (uint64_t)node << 32);
}

/* An allocation that failed; why: an errno (ENOMEM is what a program may die of). */
HIDDEN __attribute__((cold)) void hook_failed(struct thread *t, uint64_t bytes, unsigned allocator,
                                              int why);

/* The outcome of an allocating call: a block, or a failure with errno. For entering and leaving
 * around it, see hook_outcome. */
static ALWAYS_INLINE void hook_result(struct thread *t, const void *block, uint64_t bytes,
                                      unsigned allocator)
{
    if (LIKELY(block != NULL))
        hook_alloc(t, block, bytes, allocator);
    else
        hook_failed(t, bytes, allocator, errno);
}

static ALWAYS_INLINE void hook_outcome(struct thread *t, const void *block, uint64_t bytes,
                                       unsigned allocator)
{
    if (!hook_enter(t))
        return;
    hook_result(t, block, bytes, allocator);
    hook_leave(t);
}

/* The bytes of `count` times `size`; the largest number that is told where they overflow. */
static inline uint64_t hook_product(size_t count, size_t size)
{
    size_t bytes;
    return __builtin_mul_overflow(count, size, &bytes) ? UINT64_MAX >> 1 : bytes;
}

/* A real allocator that may be built on others is about to be called: what it calls lies beneath
 * the event of this call, but for frees of other blocks than its own (NULL: it has none). Returns
 * what t->busy is to be again after it. */
static inline uint8_t hook_begin(struct thread *t, const void *own_block)
{
    uint8_t before = t->busy;
    if (!before) {
        t->own_block = own_block;
        t->busy = BUSY_ALLOCATOR;
    }
    return before;
}

/* A big block is about to be freed: what was ever touched of it. */
HIDDEN __attribute__((cold)) void hook_last_look(struct thread *t, const void *block);

/* A free while the thread is busy: beneath one of our calls it is of the call's own block, which
 * was told already, or of another one, which may be known. */
HIDDEN __attribute__((cold)) void hook_free_beneath(struct thread *t, const void *block);

/* A block is about to be freed. Returns whether it was written. */
static ALWAYS_INLINE bool hook_free(struct thread *t, const void *block)
{
    if (UNLIKELY(t->busy)) {
        hook_free_beneath(t, block);
        return false;
    }
    if (!hook_enter(t))
        return false;
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
