/* Slots and buckets of the predictor: open addressing, linear probing, at most half full.
 * Why cleared whole at a block's start: 512 KiB at the most for a block that a recorder writes. */
#include "format/predict.h"
#include "format/error.h"
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 512u

/* The bucket that holds the stack, or the empty one where it belongs. */
static uint32_t *probe(const struct predictor *p, uint32_t stack)
{
    uint32_t at = predictor_bucket(p, stack);
    while (p->buckets[at] && p->slots[p->buckets[at]].stack != stack)
        at = (at + 1) & (p->bucket_count - 1);
    return &p->buckets[at];
}

static int grow(struct predictor *p)
{
    uint32_t capacity = p->capacity ? 2 * p->capacity : FIRST_CAPACITY;
    uint32_t *buckets = calloc(2 * (size_t)capacity, sizeof *buckets);
    struct prediction *slots = realloc(p->slots, capacity * sizeof *slots);
    if (slots)
        p->slots = slots;
    if (!slots || !buckets) {
        free(buckets);
        return -ERR_NOMEM;
    }
    free(p->buckets);
    p->buckets = buckets;
    p->capacity = capacity;
    p->bucket_count = 2 * capacity;
    for (uint32_t slot = 1; slot < p->count; slot++)
        *probe(p, p->slots[slot].stack) = slot;
    return 0;
}

int predictor_init(struct predictor *p)
{
    memset(p, 0, sizeof *p);
    if (grow(p)) {
        predictor_release(p);
        return -ERR_NOMEM;
    }
    predictor_reset(p);
    return 0;
}

void predictor_release(struct predictor *p)
{
    free(p->slots);
    free(p->buckets);
    memset(p, 0, sizeof *p);
}

void predictor_reset(struct predictor *p)
{
    memset(p->bases, 0, sizeof p->bases);
    memset(p->buckets, 0, p->bucket_count * sizeof *p->buckets);
    p->slots[0] = (struct prediction){0};
    p->count = 1;
    p->last = 0;
}

int predictor_find(struct predictor *p, uint32_t stack, uint32_t *slot)
{
    *slot = 0;
    if (stack == 0)
        return 0;
    uint32_t *bucket = probe(p, stack);
    if (*bucket == 0) {
        if (p->count == p->capacity) {
            if (grow(p))
                return -ERR_NOMEM;
            bucket = probe(p, stack);
        }
        p->slots[p->count] = (struct prediction){.stack = stack};
        *bucket = p->count++;
    }
    *slot = *bucket;
    return 0;
}
