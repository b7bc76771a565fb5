/* SHA-256 (FIPS 180-4), for one purpose: a page names the scripts and styles that may run in it by
 * their digest, so that a browser runs nothing else (Content Security Policy). Why our own: it is
 * sixty lines, and nothing else here needs a library for it. Not here: keys, secrets. Thread-safe.
 */
#ifndef ANALYZER_DIGEST_H
#define ANALYZER_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define DIGEST_BYTES 32
#define DIGEST_BLOCK 64

struct digest {
    uint32_t state[8];
    uint64_t bytes; /* so far */
    uint8_t block[DIGEST_BLOCK];
};

/* Starts one. */
void digest_init(struct digest *d);
/* Adds bytes. */
void digest_add(struct digest *d, const void *bytes, size_t count);
/* Ends it: the digest of all that was added. */
void digest_end(struct digest *d, uint8_t out[DIGEST_BYTES]);

#endif
