/* What hooks seldom do (hooks.h): calls beneath others, failures, big blocks, stacks that are none.
 * Why apart: what is usual then saves fewer registers and stands in fewer lines of the cache. */
#define _GNU_SOURCE
#include "recorder/preload/hooks.h"

void hook_beneath(struct thread *t)
{
    if (t->busy == BUSY_ALLOCATOR)
        t->nested = 1;
    else if (process.open)
        atomic_fetch_add_explicit(&process.slot->reentered, 1, memory_order_relaxed);
}

uint32_t hook_node_otherwise(const struct thread *t, uint32_t node)
{
    if (node == NODE_NONE)
        return t->walker.origin;
    atomic_fetch_add_explicit(&process.slot->lost_nodes, 1, memory_order_relaxed);
    return node;
}

uint32_t hook_node_anywhere(struct thread *t)
{
    return walk_is_sound(&t->walker) ? hook_node(t) : hook_node_otherwise(t, NODE_LOST);
}

void hook_alloc_big(struct thread *t, const void *block, uint64_t bytes, unsigned allocator)
{
    uint32_t node = hook_node(t);
    big_add(block, bytes);
    if (bytes < UINT32_MAX)
        emit2(t, RING_WORD(RING_ALLOC, allocator, (uintptr_t)block), bytes | (uint64_t)node << 32);
    else
        emit3(t, RING_WORD(RING_ALLOC_BIG, allocator, (uintptr_t)block), bytes, node);
}

void hook_failed(struct thread *t, uint64_t bytes, unsigned allocator, int why)
{
    uint64_t head = RING_WORD(RING_FAILED, allocator, (unsigned)why);
    emit3(t, head, bytes, hook_node_anywhere(t));
}

void hook_last_look(struct thread *t, const void *block)
{
    uint64_t bytes = big_take(block);
    uint64_t resident = bytes ? big_resident(block, bytes) : BIG_UNKNOWN;
    if (resident != BIG_UNKNOWN)
        emit2(t, RING_WORD(RING_RESIDENT, 0, (uintptr_t)block), resident);
}

void hook_free_beneath(struct thread *t, const void *block)
{
    hook_beneath(t);
    if (t->busy != BUSY_ALLOCATOR || block == t->own_block || !process_recording())
        return;
    t->busy = BUSY_HOOK;
    atomic_signal_fence(memory_order_seq_cst);
    emit1(t, RING_WORD(RING_FREE_NESTED, 0, (uintptr_t)block));
    hook_leave(t);
    t->busy = BUSY_ALLOCATOR;
}
