/* The predictions of a block (FORMAT.md 3.1): which stack follows which, and the last size of each
 * stack. Why slots: a stack gets a slot when it is first used in the block, and a slot names its
 * successor's slot, so a run of right predictions follows links and hashes nothing; memory grows
 * with the stacks of one block, whatever ids a hostile file names.
 *
 *   buckets: hash(stack) -> slot
 *   slots:   [0: stack 0] [1: stack 17, next 2, size 64] [2: stack 5, next 1, size 100] ...
 *
 * Invariants: slot 0 is stack 0 and is in no bucket (0 there means empty); every `next` is a slot
 * below `count`. Not here: bytes. Not thread-safe. */
#ifndef FORMAT_PREDICT_H
#define FORMAT_PREDICT_H

#include <stdint.h>

struct prediction {
    uint32_t stack;
    uint32_t next;       /* slot of the stack that followed last time, 0 until known */
    uint64_t size_bytes; /* last size with this stack, 0 until known */
};

struct predictor {
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

/* Notes that the next allocation had this slot and size. */
static inline void predictor_note(struct predictor *p, uint32_t slot, uint64_t size_bytes)
{
    p->slots[p->last].next = slot;
    p->slots[slot].size_bytes = size_bytes;
    p->last = slot;
}

#endif
