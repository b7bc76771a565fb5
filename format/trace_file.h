/* The file as a sequence of LZ4 and skippable frames (FORMAT.md 1 and 2): writing parts, and
 * reading them from a stream with recovery. Why LZ4's own frame library: stock tools accept our
 * files because it writes them. Invariants: a block is written whole or is cut by the end of the
 * file; a reader never allocates more than PAYLOAD_MAX_BYTES for a payload, whatever a header
 * claims. Not here: what is in a payload (encode.h, decode.h). Not thread-safe. */
#ifndef FORMAT_TRACE_FILE_H
#define FORMAT_TRACE_FILE_H

#include "format/encode.h"

#define TRACE_VERSION 3u
enum trace_flag {
    TRACE_OBJECTS = 1,
    TRACE_NATIVE = 2,
    TRACE_STACKS = 4,
    TRACE_NATIVE_MISSED = 8 /* programs without Python would have native frames if they could */
};

struct trace_header {
    uint16_t version;
    uint32_t flags;
    uint64_t started_unix_ns, started_mono_ns, sample_bytes, trace_id;
    uint32_t root_pid, page_bytes;
    uint32_t argument_count;      /* <= RECORD_ARGUMENT_LIMIT */
    const struct text *arguments; /* writing: borrowed; reading: owned by the reader */
};

struct trace_trailer {
    uint16_t flags; /* bit 0: stopped early */
    uint64_t index_offset, events, allocs, end_ns;
    uint32_t blocks;
};

/* Encoders of single parts into out[capacity]. Each returns the bytes written, or -ERR_FULL when
 * capacity is below the part's bound. */

/* Worst-case bytes of the file header with its arguments. */
size_t trace_header_bound(const struct trace_header *h);
/* -ERR_LIMIT: more than RECORD_ARGUMENT_LIMIT arguments, one beyond TEXT_LIMIT, or all beyond
 * RECORD_MAX_BYTES. h->version is not read. */
int trace_header_write(const struct trace_header *h, uint8_t *out, size_t capacity);
/* What compression keeps over blocks. */
struct compressor;
/* NULL: out of memory. The caller frees it. */
struct compressor *compressor_new(void);
/* c: NULL does nothing. */
void compressor_free(struct compressor *c);
/* Worst-case bytes of a block with such a payload. */
size_t trace_block_bound(size_t payload_bytes);
/* One block: header and compressed frame. info and payload as encoder_seal gave them. -ERR_LIMIT:
 * the payload is empty or beyond PAYLOAD_MAX_BYTES; -ERR_NOMEM. */
int64_t trace_block_write(struct compressor *c, uint64_t trace_id, const struct block_info *info,
                          const uint8_t *payload, uint8_t *out, size_t capacity);

struct trace_index_entry {
    uint64_t offset, start_ns, first_event, first_alloc, checkpoint;
};
/* Bytes of an index of so many blocks. */
size_t trace_index_bound(uint32_t count);
/* -ERR_LIMIT: more than 2^20 entries. */
int64_t trace_index_write(const struct trace_index_entry *entries, uint32_t count, uint8_t *out,
                          size_t capacity);
#define TRACE_TRAILER_BYTES 56 /* with its skippable frame header */
/* capacity >= TRACE_TRAILER_BYTES. t->blocks, events, allocs: of the whole trace, or readers report
 * what is missing. */
int trace_trailer_write(const struct trace_trailer *t, uint8_t *out, size_t capacity);

/* Reading. The source is a descriptor, read forward only, so a pipe will do. */
enum trace_part { TRACE_END, TRACE_BLOCK, TRACE_TRAILER, TRACE_DAMAGE };

struct trace_damage {
    uint64_t offset, length; /* of the region passed over, in file bytes */
    uint32_t blocks; /* lost blocks, as the next good block or the trailer tells; without one, those
                        known to be lost (0 or 1) */
    char what[160];  /* in words */
};

struct trace_reader;

/* Opens fd (borrowed; not closed) and reads the file header. name is for messages (borrowed).
 * Returns 0; -ERR_NOT_A_TRACE, -ERR_VERSION, -ERR_DAMAGED (the header's own checksum),
 * -ERR_TRUNCATED, -ERR_IO, -ERR_NOMEM with err filled. */
int trace_reader_open(struct trace_reader **reader, int fd, const char *name, struct err *err);
/* reader: NULL does nothing. */
void trace_reader_close(struct trace_reader *reader);
/* The file header; the reader owns it and what it points to. */
const struct trace_header *trace_reader_header(const struct trace_reader *reader);

/* The next part. TRACE_BLOCK: *info and *payload (valid until the next call) describe a block whose
 * checksums are right. TRACE_DAMAGE: *damage tells what was passed over; reading goes on with the
 * next call. TRACE_TRAILER: *trailer. TRACE_END: the source ended; trace_reader_complete() tells
 * whether a good trailer came last. A source that ends inside a part gives TRACE_END with
 * trace_reader_cut() > 0, not damage. Negative: -ERR_IO, -ERR_NOMEM. A region of length 0 says that
 * blocks are missing between two parts that are whole. Blocks come with growing sequence numbers
 * and counters that never go back; without damage between them they continue exactly. */
int trace_reader_next(struct trace_reader *reader, struct block_info *info, const uint8_t **payload,
                      struct trace_damage *damage, struct trace_trailer *trailer, struct err *err);
/* Did a good trailer come last? Known after TRACE_END. */
bool trace_reader_complete(const struct trace_reader *reader);
/* Bytes of an unfinished part at the end, 0: none. Known after TRACE_END. */
uint64_t trace_reader_cut(const struct trace_reader *reader);
/* The parts with names (names.h) that were read so far, one skippable frame after another, *bytes
 * of them; their checksums are right. The reader owns them. */
const uint8_t *trace_reader_names(const struct trace_reader *reader, size_t *bytes);
/* Bytes consumed so far, for progress. */
uint64_t trace_reader_offset(const struct trace_reader *reader);

#endif
