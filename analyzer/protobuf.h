/* One message of protocol buffers, built in memory (https://protobuf.dev, "Encoding"): numbers as
 * varints, texts and messages with their length before them. Why our own: pprof needs five kinds of
 * field, and a library would bring a compiler and a run time. Invariants: a value of 0 is left out,
 * as it is what a reader takes for a missing one. Not here: which fields mean what
 * (export_pprof.c). Not thread-safe. */
#ifndef ANALYZER_PROTOBUF_H
#define ANALYZER_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct protobuf {
    uint8_t *bytes;
    size_t used, capacity;
    bool failed; /* out of memory: what is here is not whole */
};

/* Empties it, keeping its memory; a zeroed one is allowed. */
void protobuf_clear(struct protobuf *p);
/* Frees it. */
void protobuf_release(struct protobuf *p);
/* A bare varint: an item of a packed list. */
void protobuf_item(struct protobuf *p, uint64_t value);
/* A field that is a number. */
void protobuf_number(struct protobuf *p, unsigned field, uint64_t value);
/* A field that is a text, a packed list or a message; also an empty one is written. */
void protobuf_bytes(struct protobuf *p, unsigned field, const void *bytes, size_t length);

#endif
