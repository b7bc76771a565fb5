/* The file as a sequence of LZ4 and skippable frames (FORMAT.md 1 and 2): writing parts, and reading them from a stream with recovery.
 * Why LZ4's own frame library: stock tools accept our files because it writes them. Invariants: a block is written whole or is cut by
 * the end of the file; a reader never allocates more than PAYLOAD_MAX_BYTES for a payload, whatever a header claims.
 * Not here: what is in a payload (encode.h, decode.h). Not thread-safe. */
#ifndef FORMAT_TRACE_FILE_H
#define FORMAT_TRACE_FILE_H

#include "format/encode.h"

#define TRACE_VERSION 1u
enum trace_flag { TRACE_OBJECTS = 1, TRACE_NATIVE = 2, TRACE_STACKS = 4 };

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

/* Encoders of single parts into out[capacity]. Each returns the bytes written, or -ERR_FULL. Worst-case sizes: trace_header_bound, … */
size_t trace_header_bound(const struct trace_header *h);
int trace_header_write(const struct trace_header *h, uint8_t *out, size_t capacity);
/* One block: header and compressed frame. scratch is an LZ4F context kept over calls (compressor_new). */
struct compressor;
struct compressor *compressor_new(void); /* NULL: out of memory */
void compressor_free(struct compressor *c);
size_t trace_block_bound(size_t payload_bytes);
int64_t trace_block_write(struct compressor *c, uint64_t trace_id, const struct block_info *info, const uint8_t *payload, uint8_t *out, size_t capacity);

struct trace_index_entry {
    uint64_t offset, start_ns, first_event, first_alloc, checkpoint;
};
size_t trace_index_bound(uint32_t count);
int64_t trace_index_write(const struct trace_index_entry *entries, uint32_t count, uint8_t *out, size_t capacity);
#define TRACE_TRAILER_BYTES 56 /* with its skippable frame header */
int trace_trailer_write(const struct trace_trailer *t, uint8_t *out, size_t capacity);

/* Reading. The source is a descriptor, read forward only, so a pipe will do. */
enum trace_part { TRACE_END, TRACE_BLOCK, TRACE_TRAILER, TRACE_DAMAGE };

struct trace_damage {
    uint64_t offset, length; /* of the region passed over, in file bytes */
    uint32_t blocks;         /* lost blocks as the sequence numbers tell; 0 until the next good block shows them */
    char what[160];          /* in words */
};

struct trace_reader;

/* Opens fd (borrowed; not closed) and reads the file header. name is for messages (borrowed).
 * Returns 0; -ERR_NOT_A_TRACE, -ERR_VERSION, -ERR_DAMAGED (the header's own checksum), -ERR_TRUNCATED, -ERR_IO, -ERR_NOMEM with err filled. */
int trace_reader_open(struct trace_reader **reader, int fd, const char *name, struct err *err);
void trace_reader_close(struct trace_reader *reader);
const struct trace_header *trace_reader_header(const struct trace_reader *reader);

/* The next part. TRACE_BLOCK: *info and *payload (valid until the next call) describe a block whose checksums are right.
 * TRACE_DAMAGE: *damage tells what was passed over; reading goes on with the next call.
 * TRACE_TRAILER: *trailer. TRACE_END: the source ended; trace_reader_complete() tells whether a good trailer came last.
 * A source that ends inside a part gives TRACE_END with trace_reader_cut() > 0, not damage. Negative: -ERR_IO, -ERR_NOMEM. */
int trace_reader_next(struct trace_reader *reader, struct block_info *info, const uint8_t **payload, struct trace_damage *damage, struct trace_trailer *trailer, struct err *err);
bool trace_reader_complete(const struct trace_reader *reader);
uint64_t trace_reader_cut(const struct trace_reader *reader);    /* bytes of an unfinished part at the end, 0: none */
uint64_t trace_reader_offset(const struct trace_reader *reader); /* bytes consumed, for progress */

#endif
