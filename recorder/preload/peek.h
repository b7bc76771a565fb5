/* Reads at addresses that may not be mapped.
 *
 * While the layout isn't confirmed, any pointer read by it may be anything. The kernel copies
 * instead of us and answers EFAULT where we would die. A few hundred ns each: for checks only.
 * Not here: reads on known ground (memory.h). */
#ifndef RECORDER_PRELOAD_PEEK_H
#define RECORDER_PRELOAD_PEEK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Copy size_bytes (1..4096) from an address of this process. Returns false if they can't all be
 * read: out is then undefined. May change errno. Async-signal-safe. */
bool peek(uintptr_t address, void *out, size_t size_bytes);

/* peek() for one pointer-sized word; 0 if it can't be read. */
uintptr_t peek_word(uintptr_t address);

#endif
