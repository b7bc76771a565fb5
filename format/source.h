/* A window on a descriptor that is read forward only: what a part needs is held until it is
 * consumed, so that recovery can look again from a part's start. Why not mmap or seek: a pipe must
 * do.
 *
 *   file:  ....consumed....|== available ==|....unread....      offset: of the first available byte
 *
 * Invariants: memory grows with bytes that arrived, not with sizes that a file claims. Not here:
 * what the bytes mean. Not thread-safe. */
#ifndef FORMAT_SOURCE_H
#define FORMAT_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct source {
    int fd;
    uint8_t *buffer;
    size_t start, end, capacity; /* available: buffer[start, end) */
    uint64_t offset;
    bool ended; /* the descriptor gave its last byte */
    int error;  /* errno of a failed read, 0: none */
};

/* fd is borrowed. */
void source_init(struct source *s, int fd);
/* Frees the window; the descriptor stays open. */
void source_release(struct source *s);

/* Makes `bytes` available. Returns 1; 0 when the source ends before; -ERR_IO (errno in error) or
 * -ERR_NOMEM. Pointers from source_at() are stale then. */
int source_need(struct source *s, size_t bytes);
/* Reads some more behind what is available. Returns 1, 0 at the end, or a negative error as above.
 */
int source_more(struct source *s);
/* Drops available bytes. */
void source_consume(struct source *s, size_t bytes);

static inline const uint8_t *source_at(const struct source *s) { return s->buffer + s->start; }

static inline size_t source_available(const struct source *s) { return s->end - s->start; }

#endif
