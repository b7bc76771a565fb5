/* Reads at addresses that may not be mapped.
 *
 * While the layout isn't confirmed, any pointer read by it may be anything: the kernel is asked
 * before a page is touched. A page that was found readable is good for the rest of the glance: what
 * could unmap it meanwhile is another thread alone, and what is read here will be walked without
 * any look a moment later.
 * Not here: reads on known ground (memory.h). */
#ifndef RECORDER_PRELOAD_PEEK_H
#define RECORDER_PRELOAD_PEEK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PEEK_PAGES = 64 };

/* The pages found readable since it was zeroed, by the low bits of their numbers. */
struct glance {
    uintptr_t pages[PEEK_PAGES];
};

/* Copy size_bytes (1..4096) from an address of this process. Returns false if they can't all be
 * read: out is then undefined. May change errno. Async-signal-safe; one thread a glance. */
bool peek(struct glance *glance, uintptr_t address, void *out, size_t size_bytes);

#endif
