/* From the LZ4 frame behind a block header to the payload that its checksum vouches for (FORMAT.md
 * 1.2 and 3.4). Invariants: no more memory than the header's sizes, which its reader has limited.
 * Not here: finding the frame (trace_read.c), what is in a payload (decode.h). Not thread-safe. */
#ifndef FORMAT_PAYLOAD_H
#define FORMAT_PAYLOAD_H

#include "format/pack.h"
#include "format/part.h"
#include <lz4frame.h>

struct payload_reader {
    LZ4F_dctx *lz4;
    uint8_t *bytes, *packed; /* the payload; packed */
    size_t capacity, packed_capacity;
    struct packer packer;
};

/* Returns 0 or -ERR_NOMEM. */
int payload_reader_init(struct payload_reader *r);
/* Also of one that is all zero. */
void payload_reader_release(struct payload_reader *r);

/* Reads the payload of a block from its frame in[frame->bytes] into r->bytes, info->payload_bytes
 * long, valid until the next call. Returns 0, -ERR_DAMAGED with *what wrong, or -ERR_NOMEM. */
int payload_read(struct payload_reader *r, const uint8_t *in, const struct block_frame *frame,
                 const struct block_info *info, const char **what);

#endif
