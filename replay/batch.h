/* Events on their way from the reader to the replay. Why batches that own all they point to: the
 * replay prefetches over a window of events, and a batch can be filled on one thread while another
 * is applied on a second. Invariants: texts and records of a batch live until it is cleared. Not
 * here: reading (reader.h), handing over (feed.h). Not thread-safe. */
#ifndef REPLAY_BATCH_H
#define REPLAY_BATCH_H

#include "format/event.h"
#include <stdbool.h>
#include <stddef.h>

#define BATCH_EVENTS       4096
#define BATCH_RECORD_BYTES ((size_t)64 << 10) /* of records, after which a batch is full */

struct batch {
    struct event *events;
    int count, capacity;
    uint64_t file_bytes; /* read of the file so far, for progress */
    struct kept_record *records;
    size_t record_bytes;
};

/* An empty batch for so many events, at least 4. Returns 0 or -ERR_NOMEM; release is needed in both
 * cases. */
int batch_init(struct batch *b, int capacity);
/* Frees everything, also of a zeroed b. */
void batch_release(struct batch *b);
/* Empties it; its memory stays for the next events. */
void batch_clear(struct batch *b);
/* Copies the record of the last event, a RECORD that borrows it, into the batch. Returns 0 or
 * -ERR_NOMEM. */
int batch_keep_record(struct batch *b);

static inline bool batch_full(const struct batch *b)
{
    return b->count == b->capacity || b->record_bytes > BATCH_RECORD_BYTES;
}

#endif
