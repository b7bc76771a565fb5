/* A small open table of big blocks (big.h): a block stands within PROBES places of its hash, so
 * there are no tombstones and every search is bounded. */
#define _GNU_SOURCE
#include "recorder/preload/big.h"
#include "recorder/failpoint.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PLACES       8192u
#define PROBES       16u
#define PAGE_BYTES   4096u
#define WINDOW_PAGES 1024u
#define FILLING      1u /* a place whose size is not there yet; no block has that address */

static struct place {
    _Atomic uintptr_t block; /* 0: empty */
    uint64_t bytes;
} places[PLACES];

_Atomic uint16_t big_counters[BIG_COUNTERS];
_Atomic uint32_t big_count;

static struct place *place_at(uintptr_t block, unsigned probe)
{
    uint64_t home = (block >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 51;
    return &places[(home + probe) & (PLACES - 1)];
}

void big_add(const void *block, uint64_t bytes)
{
    for (unsigned probe = 0; probe < PROBES; probe++) {
        struct place *place = place_at((uintptr_t)block, probe);
        uintptr_t empty = 0;
        if (!atomic_compare_exchange_strong(&place->block, &empty, FILLING))
            continue;
        place->bytes = bytes;
        atomic_fetch_add(big_counter(block), 1);
        atomic_fetch_add(&big_count, 1);
        atomic_store(&place->block, (uintptr_t)block);
        return;
    }
}

uint64_t big_take(const void *block)
{
    for (unsigned probe = 0; probe < PROBES; probe++) {
        struct place *place = place_at((uintptr_t)block, probe);
        if (atomic_load(&place->block) != (uintptr_t)block)
            continue;
        uint64_t bytes = place->bytes;
        atomic_fetch_sub(big_counter(block), 1);
        atomic_fetch_sub(&big_count, 1);
        atomic_store(&place->block, 0);
        return bytes;
    }
    return 0;
}

uint64_t big_resident(const void *block, uint64_t bytes)
{
    unsigned char window[WINDOW_PAGES];
    uintptr_t page = (uintptr_t)block / PAGE_BYTES,
              end = ((uintptr_t)block + bytes + PAGE_BYTES - 1) / PAGE_BYTES;
    uint64_t resident = 0;
    int saved = errno;
    if (bytes > BIG_LOOK_BYTES)
        return BIG_UNKNOWN;
    while (page < end) {
        uintptr_t count = end - page < WINDOW_PAGES ? end - page : WINDOW_PAGES;
        if (FAILPOINT(resident_ask,
                      syscall(SYS_mincore, page * PAGE_BYTES, count * PAGE_BYTES, window),
                      -1) != 0) {
            errno = saved;
            return BIG_UNKNOWN;
        }
        for (uintptr_t i = 0; i < count; i++)
            resident += window[i] & 1;
        page += count;
    }
    errno = saved;
    resident *= PAGE_BYTES;
    return resident < bytes ? resident : bytes;
}
