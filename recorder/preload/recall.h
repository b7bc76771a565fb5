/* What a thread has recently made of a frame: (parent node, code, instruction) to node,
 * direct-mapped.
 *
 * A loop that allocates at four places changes its innermost instruction four times a turn; without
 * this each change asks the code map and the index of nodes, which other threads share. A hit is
 * one line of the thread's own memory.
 *
 * Invariants: an entry is true as long as no code object has died since it was made (code_epoch):
 * its owner forgets all when the epoch moves; only instructions that count whoever owns the frame
 * are kept (walk.c). Not here: which those are. Owned by one thread. Async-signal-unsafe, as the
 * walker is. */
#ifndef RECORDER_PRELOAD_RECALL_H
#define RECORDER_PRELOAD_RECALL_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { RECALL_BITS = 9, RECALL_ENTRIES = 1 << RECALL_BITS };

struct recall {
    uintptr_t ip;
    uint32_t parent, node; /* node 0: empty */
};

/* One thread's. */
struct recalls {
    struct recall entries[RECALL_ENTRIES];
    uintptr_t codes[RECALL_ENTRIES]; /* of each, tags included; asked where the instruction doesn't
                                        tell the code (frames.h) */
    struct recall pairs[RECALL_ENTRIES]; /* of a Python stack, as the parent, and a native one, as
                                            the instruction (pair.h): true for ever */
};

/* The only place where this frame can stand. */
static inline uint32_t recall_place(uint32_t parent, uintptr_t ip)
{
    uint64_t hash = (ip ^ (uint64_t)parent << 20) * UINT64_C(0x9E3779B97F4A7C15);
    return (uint32_t)(hash >> (64 - RECALL_BITS));
}

static inline void recall_keep(struct recalls *recalls, uint32_t parent, uintptr_t ip,
                               uintptr_t code, uint32_t node)
{
    uint32_t place = recall_place(parent, ip);
    recalls->entries[place] = (struct recall){ip, parent, node};
    recalls->codes[place] = code;
}

static inline void recall_forget(struct recalls *recalls)
{
    memset(recalls, 0, offsetof(struct recalls, pairs));
}

#endif
