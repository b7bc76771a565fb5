/* A leaf of the map of addresses (addresses.h) without its gaps: bits tell which of its places have
 * a value, and the values stand in order, as 16 bits beyond a base.
 * Why: a leaf is mostly gaps, and blocks that lie together were mostly made together: such a block
 * takes three bytes instead of sixteen and more. Why only those: a leaf whose blocks come and go
 * one by one would be packed and unpacked all the time.
 *
 *   bits 1 0 0 1 1 0 …    before[word]: bits set in earlier words
 *        │     │ └───────────────┐
 *   values[0]  values[1]  values[2] …
 *
 * Invariants: a place that has its bit keeps it; 0 marks one whose value was taken. Not here: when
 * a leaf is packed or not any more (addresses.c). Not thread-safe. */
#ifndef RECORDER_COLLECTOR_PACKED_LEAF_H
#define RECORDER_COLLECTOR_PACKED_LEAF_H

#include "format/bits.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKED_LEAF_PLACES 1024u
#define PACKED_LEAF_WORDS  BITS_WORDS(PACKED_LEAF_PLACES)

struct packed_leaf {
    uint64_t bits[PACKED_LEAF_WORDS];
    uint16_t before[PACKED_LEAF_WORDS];
    uint32_t base;
    uint16_t live, count, room; /* values that aren't 0, all, and how many there is room for */
    uint8_t uses;               /* the owner's, 0 in a new one: how often it was used, and when */
    uint16_t window;
    uint16_t values[];
};

/* Of the values of PACKED_LEAF_PLACES places, 0 where there is nothing; one at least isn't. Returns
 * NULL when they are too far from each other, or out of memory; free() gives it back. */
struct packed_leaf *packed_leaf_new(const uint32_t *places);

/* What it takes of memory. */
size_t packed_leaf_bytes(const struct packed_leaf *leaf);

/* Writes the values to their places; the others are left as they are. */
void packed_leaf_spread(const struct packed_leaf *leaf, uint32_t *places);

/* The value of a place; 0: nothing. */
uint32_t packed_leaf_value(const struct packed_leaf *leaf, unsigned place);

/* Gives a place a value; 0 takes away what there is. Returns false, and nothing is changed, when
 * there is no room, or it is too far from the others. */
bool packed_leaf_set(struct packed_leaf *leaf, unsigned place, uint32_t value);

#endif
