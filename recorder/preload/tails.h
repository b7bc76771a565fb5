/* What a thread's walks have met inside of the frames that stand: the innermost frames of a C
 * stack, by the words that were read to leave them, and the node that they led to.
 *
 * A loop allocates at a few places in turn, each through some functions of its own: the remembered
 * stack has only the last one's. Here the others are verified as it is, word by word, instead of
 * being stepped out of again.
 *
 * Invariants: words[] lead from the state (sp, bp) at the walk's own instruction to the frame with
 * that serial, as long as all of them are what they were; the node is that of the whole stack, with
 * the entries of that turn. Serials are never used twice, so a tail on a frame that has gone, or
 * was told anew, is simply not found. Not here: the frames outside, and whether they stand
 * (native.c). Owned by one thread. Async-signal-unsafe, as the walk is. */
#ifndef RECORDER_PRELOAD_TAILS_H
#define RECORDER_PRELOAD_TAILS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "recorder/preload/memory.h"

enum { TAIL_WORDS = 32, TAIL_WAYS = 4, TAIL_SET_BITS = 6 };

/* A word of the stack, as it was read. */
struct native_word {
    uintptr_t at, value;
};

struct tail {
    uintptr_t sp, bp; /* where the walk began; bp counts where needs_bp */
    uint64_t serial;  /* of the frame that it stands on; 0: empty */
    uint64_t turn;    /* of the entries */
    uint32_t frame;   /* that frame's number, 0: outermost */
    uint32_t node;
    uint32_t count; /* of words, the outermost first */
    bool needs_bp;
    struct native_word words[TAIL_WORDS];
};

/* All zero: none. */
struct tails {
    uint32_t next; /* way to be overwritten */
    struct tail sets[1 << TAIL_SET_BITS][TAIL_WAYS];
};

/* How many of the outermost n words are not disproved yet: 0, when all stand. */
static inline uint32_t words_fail(const struct native_word *words, uint32_t n)
{
    for (; n >= 4; n -= 4) {
        const struct native_word *w = words + n;
        if (!memory_is_word(w[-1].at, w[-1].value))
            return n;
        if (!memory_is_word(w[-2].at, w[-2].value))
            return n - 1;
        if (!memory_is_word(w[-3].at, w[-3].value))
            return n - 2;
        if (!memory_is_word(w[-4].at, w[-4].value))
            return n - 3;
    }
    for (; n; n--)
        if (!memory_is_word(words[n - 1].at, words[n - 1].value))
            return n;
    return 0;
}

/* Where tails that begin at a stack pointer are: TAIL_WAYS of them. */
static inline struct tail *tails_set(struct tails *tails, uintptr_t sp)
{
    uint64_t hash = (uint64_t)sp * UINT64_C(0x9E3779B97F4A7C15);
    return tails->sets[hash >> (64 - TAIL_SET_BITS)];
}

/* Keeps one like `about`, with these words; one with more than TAIL_WORDS is not kept. */
static inline void tails_keep(struct tails *tails, const struct tail *about,
                              const struct native_word *words, uint32_t count)
{
    struct tail *t = &tails_set(tails, about->sp)[tails->next++ % TAIL_WAYS];
    if (count > TAIL_WORDS)
        return;
    memcpy(t, about, offsetof(struct tail, words));
    memcpy(t->words, words, count * sizeof *words);
    t->count = count;
}

#endif
