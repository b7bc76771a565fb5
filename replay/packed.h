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

#include "replay/blockmap.h"
#include <stddef.h>

#define PACKED_PLACES 256u
#define PACKED_STEP   8u /* there is room for a multiple of so many blocks */

struct packed {
    union {
        uint64_t bits[PACKED_PLACES / 64];
        struct packed *next; /* while it is unused */
    };
    uint8_t before[PACKED_PLACES / 64];
    struct block blocks[];
};

/* The bytes of one with room for so many blocks. */
static inline size_t packed_bytes(unsigned room)
{
    return sizeof(struct packed) + room * sizeof(struct block);
}

static inline unsigned packed_ones(uint64_t word)
{
    word -= word >> 1 & 0x5555555555555555u;
    word = (word & 0x3333333333333333u) + (word >> 2 & 0x3333333333333333u);
    return (unsigned)(((word + (word >> 4)) & 0x0F0F0F0F0F0F0F0Fu) * 0x0101010101010101u >> 56);
}

/* The block of a place (below PACKED_PLACES), NULL where that was not packed. */
static inline struct block *packed_block(struct packed *p, unsigned place)
{
    uint64_t word = p->bits[place / 64], bit = UINT64_C(1) << place % 64;
    return word & bit ? &p->blocks[p->before[place / 64] + packed_ones(word & (bit - 1))] : 0;
}

/* Adds a block at a place behind all others; there must be room. */
static inline void packed_append(struct packed *p, unsigned place, const struct block *block)
{
    unsigned word = place / 64;
    p->bits[word] |= UINT64_C(1) << place % 64;
    p->blocks[p->before[word] + packed_ones(p->bits[word]) - 1] = *block;
    for (word++; word < PACKED_PLACES / 64; word++)
        p->before[word]++;
}

#endif
