/* A page of blocks (live.h) of which few live: those without the gaps, and bits that tell which of
 * the page's places they had. Why not a hash table: a block takes 20 bytes instead of 48, and its
 * neighbours, which are mostly freed together, stand beside it.
 *
 *   bits 1 0 0 1 1 0 …   before[word]: bits set in earlier words
 *        │     │ └──────────────┐
 *   blocks[0] blocks[1] blocks[2] …
 *
 * Invariants: a place once packed stays until the page is packed anew; site 0 marks one whose block
 * is gone. Not here: memory, when pages are packed (live.h). Not thread-safe. */
#ifndef REPLAY_PACKED_H
#define REPLAY_PACKED_H

#include "format/bits.h"
#include "replay/blockmap.h"
#include <stddef.h>

#define PACKED_PLACES 256u
#define PACKED_WORDS  BITS_WORDS(PACKED_PLACES)
#define PACKED_STEP   8u /* there is room for a multiple of so many blocks */

struct packed {
    union {
        uint64_t bits[PACKED_WORDS];
        struct packed *next; /* while it is unused */
    };
    uint8_t before[PACKED_WORDS];
    struct block blocks[];
};

/* The bytes of one with room for so many blocks. */
static inline size_t packed_bytes(unsigned room)
{
    return sizeof(struct packed) + room * sizeof(struct block);
}

/* The block of a place (below PACKED_PLACES), NULL where that was not packed. */
static inline struct block *packed_block(struct packed *p, unsigned place)
{
    return bits_has(p->bits, place) ? &p->blocks[p->before[place / 64] + bits_below(p->bits, place)]
                                    : 0;
}

/* Adds a block at a place behind all others; there must be room. */
static inline void packed_append(struct packed *p, unsigned place, const struct block *block)
{
    unsigned word = place / 64;
    p->blocks[p->before[word] + bits_ones(p->bits[word])] = *block;
    bits_add(p->bits, place);
    for (word++; word < PACKED_WORDS; word++)
        p->before[word]++;
}

#endif
