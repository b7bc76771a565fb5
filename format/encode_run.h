/* Many ALLOC and FREE ops in a row: encoder_alloc and encoder_free_index, inlined, with what they
 * change kept in the caller's registers between begin and end.
 *
 * Why: they are nearly all of a trace; one by one, half of the time goes into calls and into
 * reading back what a store of a byte may have changed. The result is the same, byte for byte.
 * Between begin and end the encoder itself must not be used. Not thread-safe. */
#ifndef FORMAT_ENCODE_RUN_H
#define FORMAT_ENCODE_RUN_H

#include "format/encode_state.h"

struct encoder_run {
    uint8_t *ops, *stacks, *sizes, *frees;
    struct prediction *slots;
    struct stack_base *bases;
    struct prediction *last; /* of the previous allocation */
    uint64_t next_alloc, last_freed;
};

/* How many ops the open block of e still takes: the caller appends no more in one run. */
static inline uint32_t encoder_run_room(struct encoder *e)
{
    return ops_full(e) ? 0 : e->op_limit - op_count(e);
}

/* Starts a run in the open block of e. */
static inline struct encoder_run encoder_run_begin(struct encoder *e)
{
    const struct column *c = e->columns;
    return (struct encoder_run){.ops = c[COLUMN_OPS].at,
                                .stacks = c[COLUMN_STACKS].at,
                                .sizes = c[COLUMN_SIZES].at,
                                .frees = c[COLUMN_FREES].at,
                                .slots = e->predictor.slots,
                                .bases = e->predictor.bases,
                                .last = &e->predictor.slots[e->predictor.last],
                                .next_alloc = e->next.alloc,
                                .last_freed = e->last_freed};
}

/* Ends it: e is as if each op had been appended by itself. */
static inline void encoder_run_end(struct encoder *e, const struct encoder_run *run)
{
    struct column *c = e->columns;
    e->events += (uint64_t)(run->ops - c[COLUMN_OPS].at);
    c[COLUMN_OPS].at = run->ops;
    c[COLUMN_STACKS].at = run->stacks;
    c[COLUMN_SIZES].at = run->sizes;
    c[COLUMN_FREES].at = run->frees;
    e->predictor.last = (uint32_t)(run->last - run->slots);
    e->next.alloc = run->next_alloc;
    e->last_freed = run->last_freed;
}

/* Appends an ALLOC by index, which takes run->next_alloc. Returns false, with nothing changed, when
 * encoder_alloc must do it after the run: the stack is new in the block, or a limit. */
static inline __attribute__((always_inline)) bool
encoder_run_alloc(const struct encoder *e, struct encoder_run *run, unsigned allocator,
                  uint32_t stack, uint64_t size_bytes)
{
    struct prediction *previous = run->last, *now = &run->slots[previous->next];
    unsigned op = allocator;
    if (allocator >= ALLOCATOR_LIMIT)
        return false;
    if (now->stack != stack) {
        uint32_t slot = predictor_lookup(&e->predictor, stack);
        if (slot == PREDICTOR_UNKNOWN)
            return false;
        op |= OP_STACK_GIVEN;
        uint32_t from = base_stack(&run->bases[allocator], previous->stack);
        run->stacks = put_varint(run->stacks, zigzag((int64_t)((uint64_t)stack - from)));
        base_learn(&run->bases[allocator], previous->stack, stack);
        previous->next = slot;
        now = &run->slots[slot];
    }
    if (now->size_bytes != size_bytes) {
        op |= OP_SIZE_GIVEN;
        run->sizes = put_varint(run->sizes, size_bytes);
        now->size_bytes = size_bytes;
    }
    run->bases[allocator].stack = stack;
    run->last = now;
    run->next_alloc++;
    *run->ops++ = (uint8_t)op;
    return true;
}

/* Appends a FREE. Returns false when the index was not given out. */
static inline __attribute__((always_inline)) bool encoder_run_free(struct encoder_run *run,
                                                                   uint64_t index)
{
    if (index >= run->next_alloc)
        return false;
    uint64_t distance = run->next_alloc - 1 - index;
    uint64_t difference = index - run->last_freed, near = difference + OP_NEAR_BIAS;
    unsigned op = OP_FREE_FAR;
    if (distance < OP_FREE_SPAN)
        op = OP_FREE_RECENT + (unsigned)distance;
    else if (near < OP_FREE_SPAN)
        op = OP_FREE_NEAR + (unsigned)near;
    else
        run->frees = put_varint(run->frees, zigzag((int64_t)difference));
    run->last_freed = index;
    *run->ops++ = (uint8_t)op;
    return true;
}

#endif
