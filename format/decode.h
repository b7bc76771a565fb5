/* From the payload of one block to events (FORMAT.md 3). The bytes are hostile: every length is
 * checked, every id bounded by what the trace could have defined, no assertion on content. Why in
 * batches: a window of decoded events lets the replay prefetch, and the loop stays in one place.
 * Not here: files and damage across blocks (trace_file.h, replay/reader.h). Not thread-safe; one
 * decoder per thread. */
#ifndef FORMAT_DECODE_H
#define FORMAT_DECODE_H

#include "format/encode.h"

struct decoder;

/* NULL when out of memory. The caller frees it. */
struct decoder *decoder_new(void);
/* d: NULL does nothing. */
void decoder_free(struct decoder *d);

/* Opens a block: payload is borrowed until the next decoder_open. Returns 0, or -ERR_DAMAGED with
 * err (may be NULL) filled: columns or header do not fit, or the block follows the one that was
 * read to its end and does not continue it. The current thread and the time are the header's
 * (info->thread, info->start_ns): no event repeats them. */
int decoder_open(struct decoder *d, const struct block_info *info, const uint8_t *payload,
                 struct err *err);

/* Decodes up to max events into out. Returns how many (0: the block ended), or -ERR_DAMAGED (events
 * before the damage were returned by earlier calls; said again by every call until the next
 * decoder_open), -ERR_NOMEM. At the block's end its counts are checked, and that every column is
 * used up. A RECORD event ends its batch, so that its borrowed record stays valid until the next
 * call. TIME events carry absolute time. Unknown record types are skipped. */
int decoder_read(struct decoder *d, struct event *out, int max, struct err *err);

/* The ids that the next definitions take, into info->first_function, first_stack, first_process and
 * first_thread: at a block's end what the next block's header should say. */
void decoder_next_ids(const struct decoder *d, struct block_info *info);

#endif
