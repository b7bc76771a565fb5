/* The fixed tables of a trace's parts (FORMAT.md 1.1 to 1.3), in both directions: one place for
 * each layout. Not here: streams and recovery (trace_read.c), compression (trace_write.c).
 * Thread-safe; hostile bytes only give false. */
#ifndef FORMAT_PART_H
#define FORMAT_PART_H

#include "format/trace_file.h"

#define SKIPPABLE_MAGIC 0x184D2A5Eu
#define SKIPPABLE_BYTES 8u /* magic and size */
#define TAG_BYTES       4u
#define PART_TAG(a, b, c, d)                                                                       \
    ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)
#define TAG_HEADER     PART_TAG('M', 'R', 'T', 'R')
#define TAG_BLOCK      PART_TAG('M', 'R', 'B', 'K')
#define TAG_INDEX      PART_TAG('M', 'R', 'I', 'X')
#define TAG_CHECKPOINT PART_TAG('M', 'R', 'C', 'P')
#define TAG_TRAILER    PART_TAG('M', 'R', 'E', 'N')
#define TAG_NAMES      PART_TAG('M', 'R', 'N', 'M')

#define HEADER_TABLE_BYTES  64u
#define BLOCK_TABLE_BYTES   96u
#define TRAILER_TABLE_BYTES 48u
#define INDEX_ENTRY_BYTES   40u
#define INDEX_FIXED_BYTES   12u /* tag, count, crc */
#define INDEX_COUNT_MAX     (1u << 20)

/* Writes a skippable frame's magic and size. Returns the byte after them. */
uint8_t *part_put_frame(uint8_t *out, uint32_t size);

/* Writes the file header's table at out; its arguments already stand behind it and go into the CRC.
 */
void part_put_header(const struct trace_header *h, uint8_t *out, uint32_t args_bytes);
/* Reads it from in[size], the part without its frame, size >= HEADER_TABLE_BYTES; *args borrows
 * from it, h's arguments are left empty. Returns 0, -ERR_DAMAGED or -ERR_VERSION with err filled.
 */
int part_get_header(struct trace_header *h, const uint8_t *in, uint32_t size, const uint8_t **args,
                    uint32_t *args_bytes, struct err *err);

/* The arguments behind it. put: out has room for the header's bound, limits were checked; returns
 * the byte after them. get: texts borrow from args, texts[RECORD_ARGUMENT_LIMIT]; false when they
 * don't fit. */
uint8_t *part_put_arguments(const struct trace_header *h, uint8_t *out);
/* See above. */
bool part_get_arguments(const uint8_t *args, uint32_t args_bytes, struct text *texts,
                        uint32_t *count);

/* What a block header says of the LZ4 frame behind it. */
struct block_frame {
    uint32_t bytes;        /* of the frame */
    uint32_t packed_bytes; /* of its content, which is the payload packed; 0: the payload itself */
};

/* Writes a block header's table, BLOCK_TABLE_BYTES. */
void part_put_block(uint64_t trace_id, const struct block_info *info,
                    const struct block_frame *frame, uint8_t *out);
/* Reads it from a part of `size` bytes, the first BLOCK_TABLE_BYTES of which are there. True if
 * tag, size and checksum are right. */
bool part_get_block(const uint8_t *in, uint32_t size, uint64_t *trace_id, struct block_info *info,
                    struct block_frame *frame);

/* Writes the trailer's table, TRAILER_TABLE_BYTES. */
void part_put_trailer(const struct trace_trailer *t, uint8_t *out);
/* Reads it, likewise. */
bool part_get_trailer(const uint8_t *in, uint32_t size, struct trace_trailer *t);

#endif
