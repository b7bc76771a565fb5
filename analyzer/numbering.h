/* Numbers for things in the order in which they are first met: 0, 1, 2, … Why: formats name
 * strings, functions and frames by such numbers, and what is met should be written once. A key is
 * any 64 bits but UINT64_MAX: an id, or a pointer. Not here: what the things are. Not
 * thread-safe. */
#ifndef ANALYZER_NUMBERING_H
#define ANALYZER_NUMBERING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct numbered {
    uint64_t key_plus_1; /* 0: empty */
    uint32_t number;
};

struct numbering {
    struct numbered *slots;
    size_t slot_count;
    uint32_t count;
};

/* Nothing is numbered yet. Returns 0 or -ERR_NOMEM; release is needed in both cases. */
int numbering_init(struct numbering *n);
/* Frees everything. */
void numbering_release(struct numbering *n);
/* The number of a key; *met tells whether it had one before. UINT32_MAX when out of memory. */
uint32_t numbering_of(struct numbering *n, uint64_t key, bool *met);

#endif
