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

/* The slot of a stack, which it keeps until the block is sealed; PREDICTOR_UNKNOWN where the block
 * has none for it yet: encoder_alloc must then append the first ALLOC with it, after the run. */
static inline uint32_t encoder_run_slot(const struct encoder *e, uint32_t stack)
{
    return predictor_lookup(&e->predictor, stack);
}

/* Tells a stack that isn't the expected one. */
static inline __attribute__((always_inline)) void
encoder_run_give_stack(struct encoder_run *run, struct stack_base *base, uint32_t stack)
{
    uint32_t previous = run->last->stack, from = base_stack(base, previous);
    run->stacks = put_varint(run->stacks, zigzag((int64_t)((uint64_t)stack - from)));
    base_learn(base, previous, stack);
}

/* Appends an ALLOC by index, which takes run->next_alloc. allocator: below ALLOCATOR_LIMIT; slot:
 * its stack's. */
static inline __attribute__((always_inline)) void
encoder_run_alloc(struct encoder_run *run, unsigned allocator, uint32_t slot, uint64_t size_bytes)
{
    struct stack_base *base = &run->bases[allocator];
    struct prediction *now = &run->slots[slot];
    uint32_t stack = now->stack;
    unsigned op = allocator;
    if (run->last->next != slot) {
        op |= OP_STACK_GIVEN;
        encoder_run_give_stack(run, base, stack);
        run->last->next = slot;
    }
    if (now->size_bytes != size_bytes) {
        op |= OP_SIZE_GIVEN;
        run->sizes = put_varint(run->sizes, size_bytes);
        now->size_bytes = size_bytes;
    }
    base->stack = stack;
    run->last = now;
    run->next_alloc++;
    *run->ops++ = (uint8_t)op;
}

/* Appends a FREE. Returns false when the index was not given out. */
static inline __attribute__((always_inline)) bool encoder_run_free(struct encoder_run *run,
                                                                   uint64_t index)
{
    uint64_t distance = run->next_alloc - 1 - index;
    unsigned op = OP_FREE_RECENT + (unsigned)distance;
    if (distance >= OP_FREE_SPAN) {
        uint64_t difference = index - run->last_freed, near = difference + OP_NEAR_BIAS;
        if (index >= run->next_alloc)
            return false;
        op = near < OP_FREE_SPAN ? OP_FREE_NEAR + (unsigned)near : OP_FREE_FAR;
        if (op == OP_FREE_FAR)
            run->frees = put_varint(run->frees, zigzag((int64_t)difference));
    }
    run->last_freed = index;
    *run->ops++ = (uint8_t)op;
    return true;
}

#endif
