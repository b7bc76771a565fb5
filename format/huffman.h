/* Bytes as prefix codes: what LZ4 leaves when it has found all repetitions, or bytes that never
 * repeat, in as many bits as their frequencies ask for (FORMAT.md 3.4).
 *
 *   lengths | varint bytes of streams 0, 1, 2 | stream 0 | stream 1 | stream 2 | stream 3
 *
 * Why four streams: each is a chain of dependent steps, and a core does four at once. Why codes of
 * at most 11 bits: the table of all their beginnings stays in the first cache. Invariants: whatever
 * the bytes say, exactly the bytes asked for are written, and nothing beyond the input is read. Not
 * here: which bytes are worth it (pack.c). Thread-safe: no state. */
#ifndef FORMAT_HUFFMAN_H
#define FORMAT_HUFFMAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HUFFMAN_BITS    11u
#define HUFFMAN_SYMBOLS 256u

/* How to write each byte, made for given frequencies. */
struct huffman {
    uint16_t codes[HUFFMAN_SYMBOLS];  /* first bit lowest */
    uint8_t lengths[HUFFMAN_SYMBOLS]; /* in bits, 0: does not occur */
    size_t bytes;                     /* what huffman_put will write, at most */
};

/* Makes the code for these bytes. bytes > 0. */
void huffman_plan(struct huffman *h, const uint8_t *in, size_t bytes);
/* Writes in[bytes], the same bytes, at out, which has h->bytes of room and 8 to spare. Returns the
 * byte after them. */
uint8_t *huffman_put(const struct huffman *h, const uint8_t *in, size_t bytes, uint8_t *out);
/* Reads in[in_bytes] into out[bytes]. Returns false when it is no such code, or more or less than
 * these bytes; out then holds anything. */
bool huffman_get(const uint8_t *in, size_t in_bytes, uint8_t *out, size_t bytes);

#endif
