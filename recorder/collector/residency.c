/* Residency by the kernel's page tables (residency.h; Documentation/admin-guide/mm/pagemap.rst).
 * The ioctl's structures are written down here since the headers of older systems lack them. */
#define _GNU_SOURCE
#include "recorder/collector/residency.h"
#include "recorder/failpoint.h"

#include <errno.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <stdatomic.h>
#include <unistd.h>

#define PAGE_BYTES   4096u
#define PAGE_PRESENT (UINT64_C(1) << 63)
#define WINDOW_PAGES 4096u
#define REGIONS      512u
#define SCAN_STEPS   4096u /* of REGIONS each: more fragments than that are not counted */
#define IS_PRESENT   (UINT64_C(1) << 3)

struct scan {
    uint64_t size, flags, start, end, walk_end, regions, region_count, max_pages;
    uint64_t inverted, all_of, any_of, wanted;
};

struct region {
    uint64_t start, end, categories;
};

#define SCAN_IOCTL _IOWR('f', 16, struct scan)

/* Adds up the regions that are present. Returns 1; 0 where the kernel has no such call; -1: too
 * many. */
static int scan(int pagemap, _Atomic uint32_t *heartbeat, uint64_t start, uint64_t end,
                uint64_t *bytes)
{
    static struct region regions[REGIONS];
    for (unsigned step = 0; start < end; step++) {
        struct scan s = {.size = sizeof s,
                         .start = start,
                         .end = end,
                         .regions = (uintptr_t)regions,
                         .region_count = REGIONS,
                         .all_of = IS_PRESENT,
                         .wanted = IS_PRESENT};
        int count = FAILPOINT(pagemap_scan, ioctl(pagemap, SCAN_IOCTL, &s), -1);
        if (count < 0)
            return errno == ENOTTY ? 0 : -1;
        if (step == SCAN_STEPS || s.walk_end <= start)
            return -1;
        for (int i = 0; i < count; i++)
            *bytes += regions[i].end - regions[i].start;
        start = s.walk_end;
        atomic_fetch_add_explicit(heartbeat, 1, memory_order_relaxed);
    }
    return 1;
}

/* Page by page. Returns false when the file cannot be read. */
static bool count(int pagemap, _Atomic uint32_t *heartbeat, uint64_t start, uint64_t end,
                  uint64_t *bytes)
{
    static uint64_t entries[WINDOW_PAGES];
    for (uint64_t page = start / PAGE_BYTES; page < end / PAGE_BYTES;) {
        uint64_t left = end / PAGE_BYTES - page;
        size_t want = left < WINDOW_PAGES ? left : WINDOW_PAGES;
        ssize_t got =
            FAILPOINT(pagemap_read, pread(pagemap, entries, want * 8, (off_t)(page * 8)), -1);
        if (got <= 0)
            return false;
        for (size_t i = 0; i < (size_t)got / 8; i++)
            *bytes += entries[i] & PAGE_PRESENT ? PAGE_BYTES : 0;
        page += (uint64_t)got / 8;
        atomic_fetch_add_explicit(heartbeat, 1, memory_order_relaxed);
    }
    return true;
}

bool residency_of(int pagemap, _Atomic uint32_t *heartbeat, uint64_t address, uint64_t length,
                  uint64_t *out)
{
    static bool no_scan;
    uint64_t start = address / PAGE_BYTES * PAGE_BYTES, bytes = 0;
    uint64_t end = (address + length + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    int scanned = no_scan ? 0 : scan(pagemap, heartbeat, start, end, &bytes);
    if (scanned < 0)
        return false;
    if (!scanned) {
        bytes = 0;
        if (length > RESIDENCY_READ_BYTES || !count(pagemap, heartbeat, start, end, &bytes))
            return false;
        no_scan = true;
    }
    *out = bytes < length ? bytes : length;
    return true;
}
