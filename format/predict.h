/* The predictions of a block (FORMAT.md 3.1): which stack follows which, and the last size of each
 * stack. Why slots: a stack gets a slot when it is first used in the block, and a slot names its
 * successor's slot, so a run of right predictions follows links and hashes nothing; memory grows
 * with the stacks of one block, whatever ids a hostile file names.
 *
 *   buckets: hash(stack) -> slot
 *   slots:   [0: stack 0] [1: stack 17, next 2, size 64] [2: stack 5, next 1, size 100] ...
 *
 *   bases:   by allocator: its last stack, and whether given stacks are closer to that than to the
 *            previous allocation's
 *
 * Invariants: slot 0 is stack 0 and is in no bucket (0 there means empty); every `next` is a slot
 * below `count`. Not here: bytes. Not thread-safe. */
#ifndef FORMAT_PREDICT_H
#define FORMAT_PREDICT_H

#include "format/event.h"
#include <stdint.h>

struct prediction {
    uint32_t stack;
    uint32_t next;       /* slot of the stack that followed last time, 0 until known */
    uint64_t size_bytes; /* last size with this stack, 0 until known */
};

/* Why by allocator: two that take turns have stacks that were defined at different times, but each
 * may go through its own in order. */
struct stack_base {
    uint32_t stack; /* of the allocator's last allocation */
    int32_t lead;   /* > 0: it was the closer one more often of late */
};
#define BASE_LEAD_MAX 4
#define BASE_LEAD_MIN (-3)

struct predictor {
    struct stack_base bases[ALLOCATOR_LIMIT];
    struct prediction *slots;
    uint32_t *buckets;
    uint32_t count, capacity, bucket_count; /* bucket_count: a power of two, twice the capacity */
    uint32_t last;                          /* slot of the block's previous allocation */
};

/* Both tables empty, as at a block's start. Returns 0 or -ERR_NOMEM (nothing to release then). */
int predictor_init(struct predictor *p);
/* Also of one that is all zero. */
void predictor_release(struct predictor *p);
/* Back to a block's start; keeps the memory. */
void predictor_reset(struct predictor *p);

/* The slot of a stack, made if it has none. Returns 0 or -ERR_NOMEM (nothing changed). Slots may
 * move in memory. */
int predictor_find(struct predictor *p, uint32_t stack, uint32_t *slot);

#define PREDICTOR_UNKNOWN UINT32_MAX

/* Where the search for a stack's slot starts. */
static inline uint32_t predictor_bucket(const struct predictor *p, uint32_t stack)
{
    return (uint32_t)((stack * 0x9E3779B97F4A7C15u) >> 32) & (p->bucket_count - 1);
}

/* The slot of a stack, or PREDICTOR_UNKNOWN where it has none yet. */
static inline uint32_t predictor_lookup(const struct predictor *p, uint32_t stack)
{
    if (stack == 0)
        return 0;
    for (uint32_t at = predictor_bucket(p, stack);; at = (at + 1) & (p->bucket_count - 1)) {
        uint32_t slot = p->buckets[at];
        if (slot == 0)
            return PREDICTOR_UNKNOWN;
        if (p->slots[slot].stack == stack)
            return slot;
    }
}

/* The slot that the next allocation is predicted to have. */
static inline uint32_t predictor_expected(const struct predictor *p)
{
    return p->slots[p->last].next;
}

/* What a stack that must be given is told as a difference from; previous: the previous
 * allocation's.
 */
static inline uint32_t base_stack(const struct stack_base *base, uint32_t previous)
{
    return base->lead > 0 ? base->stack : previous;
}

/* Notes which one would have been closer to a stack that was given. */
static inline void base_learn(struct stack_base *base, uint32_t previous, uint32_t stack)
{
    uint32_t own = stack > base->stack ? stack - base->stack : base->stack - stack;
    uint32_t other = stack > previous ? stack - previous : previous - stack;
    if (own < other)
        base->lead += base->lead < BASE_LEAD_MAX;
    else if (other < own)
        base->lead -= base->lead > BASE_LEAD_MIN;
}

/* Notes that the next allocation had this slot, allocator and size. */
static inline void predictor_note(struct predictor *p, uint32_t slot, unsigned allocator,
                                  uint64_t size_bytes)
{
    p->bases[allocator].stack = p->slots[slot].stack;
    p->slots[p->last].next = slot;
    p->slots[slot].size_bytes = size_bytes;
    p->last = slot;
}

#endif
