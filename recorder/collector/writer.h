/* Sealed blocks on their way to the file: a bounded queue and one thread that compresses and
 * writes. Why a thread: the collector must not wait for the disk while rings fill. Invariants:
 * blocks reach the file in order, each whole; after the first failure nothing more is written and
 * the reason stays; what is in the file is a readable trace at any moment. Not here: what is in a
 * block. writer_room and writer_put are for one thread; writer_failed for any. */
#ifndef RECORDER_COLLECTOR_WRITER_H
#define RECORDER_COLLECTOR_WRITER_H

#include "format/trace_file.h"

struct writer;

struct writer_limits {
    uint64_t max_bytes;       /* of the file, 0: no limit of its own */
    uint64_t keep_free_bytes; /* of the disk; 0: 1% of it or 64 MiB, whichever is less */
};

/* Starts with the file's header. fd: owned from here on. Returns 0, -ERR_NOMEM, -ERR_IO,
 * -ERR_SYSTEM with err filled (fd is then closed too). */
int writer_start(struct writer **w, int fd, const struct trace_header *header,
                 const struct writer_limits *limits, struct err *err);

/* Room for the payload of the next block, at least `bytes`: the writer's own, the caller's to fill
 * until writer_put takes it. NULL when out of memory. */
uint8_t *writer_room(struct writer *w, size_t bytes);
/* Queues a sealed block, whose payload stands in the room asked for last. Returns 0, or -ERR_LIMIT
 * when the queue is full (the disk is too slow), -ERR_USAGE without room asked for; the block is
 * not queued then. */
int writer_put(struct writer *w, const struct block_info *info);

/* Waits until everything that was queued is in the file, or given up; at most 10 s. */
void writer_drain(struct writer *w);

/* Why writing has ended early, REASON_NONE while it has not. */
enum reason writer_failed(const struct writer *w);
/* Bytes in the file so far; any thread. */
uint64_t writer_bytes(const struct writer *w);

/* Writes what is queued, the index and the trailer, closes the file and frees w. Returns 0 or
 * -ERR_IO. */
int writer_finish(struct writer *w, uint64_t events, uint64_t allocs, uint64_t end_ns,
                  bool stopped);

#endif
