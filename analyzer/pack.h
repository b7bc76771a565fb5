/* The bytes that a page carries: numbers packed as LEB128 varints into named sections, the whole
 * compressed as one LZ4 block and written as base64. Why: a page must stay small with tens of
 * thousands of frames, and nothing that a recorded program chose can be markup in base64.
 *
 *   pack:   sections one after another: tag (4 ASCII letters), length (varint), bytes
 *   page:   base64( unpacked length (8 bytes, little endian) · one LZ4 block )
 *
 * Invariants: a pack that ran out of memory says so once, in `failed`, and takes nothing more. The
 * other side is analyzer/web/data.js. Not here: which sections a page has. Not thread-safe. */
#ifndef ANALYZER_PACK_H
#define ANALYZER_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct pack {
    uint8_t *bytes; /* growing */
    size_t used, capacity;
    bool failed;
};

/* Frees it; it is then empty and usable, as one that is all zero. */
void pack_release(struct pack *p);
/* Appends bytes as they are. */
void pack_bytes(struct pack *p, const void *bytes, size_t count);
/* Appends a varint. */
void pack_number(struct pack *p, uint64_t value);
/* Appends a varint that may be negative: zigzag (0, -1, 1, -2 become 0, 1, 2, 3). */
void pack_signed(struct pack *p, int64_t value);
/* Appends a section, a copy of what the other one holds, and releases that. tag: 4 letters. */
void pack_section(struct pack *p, const char *tag, struct pack *section);

/* Compresses and writes it. Returns 0, or -ERR_NOMEM also where the pack failed before; write
 * errors show in ferror(). */
int pack_write(const struct pack *p, FILE *out);
/* Bytes that pack_write would write; 0 where it would fail. */
size_t pack_written_bytes(const struct pack *p);

/* Base64 with padding of any bytes. */
void base64_write(const uint8_t *bytes, size_t count, FILE *out);

#endif
