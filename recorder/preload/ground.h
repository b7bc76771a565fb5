/* The stretches of stack that a thread may read: found out page by page, remembered.
 *
 * Why: a rule that was false, or a word that something wrote over, must be able to end a walk and
 * never to fault. A stretch begins at the page of a stack pointer in use and grows upwards as far
 * as words are asked for. Whatever the program unmaps or protects voids all of it; what is asked
 * for next is mostly a page or two. Not here: what is read (native.h). Owned by one thread. */
#ifndef RECORDER_PRELOAD_GROUND_H
#define RECORDER_PRELOAD_GROUND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { GROUND_STRETCHES = 4 };

struct stretch {
    uintptr_t from, to; /* readable in [from, to), whole pages; 0, 0: none */
};

/* All zero: nothing known. */
struct ground {
    struct stretch stretches[GROUND_STRETCHES]; /* the one in use first */
    uint64_t generation;                        /* of unmappings that it has heard of */
};

extern _Atomic uint64_t ground_unmappings; /* ground.c's */

/* The program has unmapped, moved or protected memory. Any thread. */
static inline void ground_unmapped(void)
{
    atomic_fetch_add_explicit(&ground_unmappings, 1, memory_order_relaxed);
}

/* Once a walk, before its first word: forgets what an unmapping made doubtful. */
static inline void ground_begin(struct ground *ground)
{
    uint64_t now = atomic_load_explicit(&ground_unmappings, memory_order_relaxed);
    if (__builtin_expect(ground->generation != now, 0))
        *ground = (struct ground){.generation = now};
}

/* ground_bears for a word outside the stretch in use. */
bool ground_find(struct ground *ground, uintptr_t at);

/* May the word at an address be read? May change errno. Async-signal-safe. */
static inline bool ground_bears(struct ground *ground, uintptr_t at)
{
    const struct stretch *now = &ground->stretches[0];
    if (__builtin_expect(at - now->from < now->to - now->from && now->to - at >= 8, 1))
        return true;
    return ground_find(ground, at);
}

#endif
