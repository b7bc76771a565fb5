/* Sets of numbers, a bit each in words of 64. Why words and not bytes: what stands beside a set may
 * ask how many numbers lie below one (replay/packed.h, recorder/collector/packed_leaf.h), and most
 * processors we run on count bits only when told at compile time. Invariant: who owns the words
 * made BITS_WORDS(limit) of them, zeroed, and asks only for numbers below limit. Not here: a set
 * that grows. Thread-safe for readers only. */
#ifndef FORMAT_BITS_H
#define FORMAT_BITS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* So many words for numbers below `limit`. */
#define BITS_WORDS(limit) (((limit) + 63) / 64)

/* An empty set for numbers below `limit`, the caller's to free(). NULL: out of memory. */
static inline uint64_t *bits_new(uint64_t limit)
{
    return calloc(BITS_WORDS(limit) + 1, sizeof(uint64_t));
}

/* Makes a set for numbers below `limit` empty again. */
static inline void bits_clear(uint64_t *bits, uint64_t limit)
{
    memset(bits, 0, BITS_WORDS(limit) * sizeof *bits);
}

/* Is the number in the set? */
static inline bool bits_has(const uint64_t *bits, uint32_t number)
{
    return bits[number / 64] >> number % 64 & 1;
}

/* Puts it in; it may be there. */
static inline void bits_add(uint64_t *bits, uint32_t number)
{
    bits[number / 64] |= UINT64_C(1) << number % 64;
}

/* Takes it out; it need not be there. */
static inline void bits_remove(uint64_t *bits, uint32_t number)
{
    bits[number / 64] &= ~(UINT64_C(1) << number % 64);
}

/* How many bits of a word are set? */
static inline unsigned bits_ones(uint64_t word)
{
    word -= word >> 1 & 0x5555555555555555u;
    word = (word & 0x3333333333333333u) + (word >> 2 & 0x3333333333333333u);
    return (unsigned)(((word + (word >> 4)) & 0x0F0F0F0F0F0F0F0Fu) * 0x0101010101010101u >> 56);
}

/* How many numbers in the same word are lower? 0 to 63. */
static inline unsigned bits_below(const uint64_t *bits, uint32_t number)
{
    return bits_ones(bits[number / 64] & ((UINT64_C(1) << number % 64) - 1));
}

#endif
