/* Sizes as people type them: 4096, 64KiB, 1.5GB, 10M. Why here: what records and what replays read
 * the same words. Not here: writing them (analyzer/quantity.h). Thread-safe. */
#ifndef FORMAT_SIZE_H
#define FORMAT_SIZE_H

#include <stdbool.h>
#include <stdint.h>

/* Bytes of a text: K, M, G, T and KiB … are powers of 1024, KB … of 1000; case does not matter.
 * false where it is no size, negative, or beyond 9.2e18; *bytes is then unchanged. */
bool size_parse(const char *text, uint64_t *bytes);

#endif
