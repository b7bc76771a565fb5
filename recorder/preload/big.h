/* The big blocks of this process, so that what was ever touched of one can be told when it is
 * freed. Why in here: the collector samples residency every 100 ms, and a block that lived for less
 * would be told wrong; at its free its pages are still there, and asking for them (mincore) costs 2
 * to 3 ns a page, against some 100 ns that touching the page has cost. A free that isn't of a big
 * block pays one load while there are none, else two: counters by a hash of the page tell.
 * Invariants: bounded and lock-free; a block that finds no place is sampled by the collector alone.
 * Any thread; async-signal-safe. Not here: mappings (hooks_map.c asks for itself). */
#ifndef RECORDER_PRELOAD_BIG_H
#define RECORDER_PRELOAD_BIG_H

#include "recorder/preload/process.h"

#define BIG_BYTES      (UINT64_C(1) << 20)
#define BIG_LOOK_BYTES (UINT64_C(4) << 30) /* asking for more would cost milliseconds */
#define BIG_COUNTERS   4096u
#define BIG_UNKNOWN    UINT64_MAX

extern HIDDEN _Atomic uint16_t big_counters[BIG_COUNTERS];

static inline _Atomic uint16_t *big_counter(const void *block)
{
    return &big_counters[((uintptr_t)block >> 12) * UINT64_C(0x9E3779B97F4A7C15) >> 52];
}

/* Enters a block of BIG_BYTES or more. */
HIDDEN void big_add(const void *block, uint64_t bytes);
/* Takes a block out. Returns its size, 0 when it isn't there. */
HIDDEN uint64_t big_take(const void *block);

extern HIDDEN _Atomic uint32_t big_count; /* of blocks in the table */

static inline bool big_possible(const void *block)
{
    return atomic_load_explicit(&big_count, memory_order_relaxed) != 0 &&
           atomic_load_explicit(big_counter(block), memory_order_relaxed) != 0;
}

/* Resident bytes of [block, block + bytes), at most bytes; BIG_UNKNOWN when the kernel doesn't
 * tell. Preserves errno. */
HIDDEN uint64_t big_resident(const void *block, uint64_t bytes);

#endif
