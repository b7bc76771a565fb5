/* From events to the payload of one block (FORMAT.md 3): columns with predictions and
 * back-references. Why columns: like values stand together, so LZ4 finds them. Why one running
 * encoder over all blocks: it hands out the ids of the whole trace. Invariants: every block stands
 * alone (predictions restart), counts in the header equal what the columns hold. Not here: LZ4 and
 * the file (trace_file.h), the choice of index or address (the recorder's). Not thread-safe. */
#ifndef FORMAT_ENCODE_H
#define FORMAT_ENCODE_H

#include "format/error.h"
#include "format/event.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAYLOAD_MAX_BYTES (4u << 20) /* FORMAT.md 1.2 */
#define TIME_COARSE_NS    131072u    /* FORMAT.md 3.1: a multiple of it takes a byte or two */
#define BLOCK_EVENTS      262144u    /* ops after which encoder_full() says so */
#define BLOCK_SEAL_BYTES  (1u << 20) /* column bytes after which it says so, some hundred less */

/* How the columns of a payload are coded (FORMAT.md 3): CODING_1 is read, no longer written. */
enum coding { CODING_1, CODING_2, CODING_LIMIT };

/* The facts of a block header that belong to the payload (FORMAT.md 1.2, same names and units). */
struct block_info {
    uint32_t sequence, payload_bytes, op_count, event_count, alloc_count;
    uint64_t first_event, first_alloc, start_ns;
    uint32_t first_function, first_stack, first_process, first_thread, thread;
    uint32_t payload_crc32;
    uint16_t coding; /* enum coding */
};

struct encoder;

/* A new encoder at the start of a trace, or NULL when out of memory. The caller frees it with
 * encoder_free. */
struct encoder *encoder_new(void);
/* e: NULL does nothing. */
void encoder_free(struct encoder *e);

/* Appends one event to the open block. ev is borrowed.
 * ALLOC: ev->index is ignored; the allocation takes encoder_next_alloc() and the caller may ask for
 * it before. STACK, FUNCTION, PROCESS, THREAD records: their id is ignored and the next one is
 * taken; *id (may be NULL) receives it. TIME: absolute trace time; a time not later than the
 * current one writes nothing. THREAD: a switch to the current thread writes nothing. Returns 0, or
 * an error, and then nothing changed: -ERR_FULL: the block must be sealed first (an empty one takes
 * everything); -ERR_NOMEM; -ERR_LIMIT: what a reader would refuse, that is a text, list or record
 * beyond TEXT_LIMIT, RECORD_ARGUMENT_LIMIT, RECORD_MAX_BYTES, an allocator beyond ALLOCATOR_LIMIT,
 * an id or index that was not given out, a time beyond 2^63; -ERR_USAGE: no such kind of event or
 * type of record. */
int encoder_append(struct encoder *e, const struct event *ev, uint32_t *id);

/* Fast paths of encoder_append for ALLOC and FREE, same rules. */
int encoder_alloc(struct encoder *e, unsigned allocator, uint32_t stack, uint64_t size_bytes);
/* index: of an allocation coded by index, below encoder_next_alloc(); that it is live is the
 * caller's business. */
int encoder_free_index(struct encoder *e, uint64_t index);

/* The index that the next allocation coded by index takes: as many were given out. */
uint64_t encoder_next_alloc(const struct encoder *e);
/* Events in the trace so far (FORMAT.md 4). */
uint64_t encoder_events(const struct encoder *e);
/* No op in the open block? */
bool encoder_empty(const struct encoder *e);
/* Time to seal: BLOCK_EVENTS or BLOCK_SEAL_BYTES reached? -ERR_FULL comes a little later at the
 * earliest. */
bool encoder_full(const struct encoder *e);

/* Upper bound in bytes of what encoder_seal would write now. */
size_t encoder_bound(const struct encoder *e);

/* Writes the open block's payload to out[capacity], fills *info (sequence included) and starts the
 * next block. Returns 0, or -ERR_FULL when capacity < encoder_bound(): nothing changed. */
int encoder_seal(struct encoder *e, uint8_t *out, size_t capacity, struct block_info *info);

#endif
