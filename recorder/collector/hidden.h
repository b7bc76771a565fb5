/* Allocators that never call malloc: libraries that bring one under names of their own, which
 * nobody can stand in for (pyarrow's mimalloc, polars' jemalloc). What is seen of them is what they
 * reserve from the kernel, of which the resident bytes count. Such a mapping is marked with the
 * allocator's name, and its stack ends in a frame that says so: what lies inside is unknown.
 * Why only reservations: other mappings in a library that has an allocator may be anything's. Not
 * here: how an allocator is known (signature.h). Not thread-safe. */
#ifndef RECORDER_COLLECTOR_HIDDEN_H
#define RECORDER_COLLECTOR_HIDDEN_H

#include "recorder/collector/names.h"

#define HIDDEN_PLACES 8u

/* What was found for the places of code that mapped last; all zero: nothing yet. */
struct hidden {
    struct hidden_place {
        uint64_t code, looked_ns;
        uint32_t function; /* trace-wide; FUNCTION_UNKNOWN: no allocator */
        uint8_t allocator;
    } places[HIDDEN_PLACES];
};

/* Marks a MAP record of process pid, its other fields filled in, if it is such an allocator's: its
 * allocator and its stack. code: the address that the mapping call returns to, 0 unknown. What was
 * found holds for a second, since a library may be closed. */
void hidden_mark(struct hidden *h, struct names *names, uint32_t pid, uint64_t code,
                 uint64_t now_ns, struct record *map);

#endif
