/* What an encoder remembers (encode.h): for the files that write its columns, encode.c and
 * encode_run.h. Not for its users. */
#ifndef FORMAT_ENCODE_STATE_H
#define FORMAT_ENCODE_STATE_H

#include "format/encode.h"
#include "format/op.h"
#include "format/place.h"
#include "format/predict.h"
#include "format/record.h"
#include "format/wire.h"

struct column {
    uint8_t *start, *at;
};

/* What STACK ops are coded against. */
struct node {
    uint32_t parent, function;
    uint64_t line;
};

struct encoder {
    struct column columns[COLUMN_COUNT];
    struct predictor predictor;
    struct places places;
    struct ids next;
    uint64_t last_freed, last_address, time_ns, events;
    uint32_t thread;
    struct node last_node;
    uint32_t op_limit;      /* so many ops have room for certain */
    struct block_info open; /* as it was at the open block's start */
    uint8_t *memory;        /* of the columns */
};

/* Ops in the open block. */
static inline uint32_t op_count(const struct encoder *e)
{
    return (uint32_t)(e->columns[COLUMN_OPS].at - e->columns[COLUMN_OPS].start);
}

/* Makes certain of room for more ops; false: the block is full. encode.c. */
bool encoder_find_room(struct encoder *e);

/* Does the block take no further op? */
static inline bool ops_full(struct encoder *e)
{
    return op_count(e) >= e->op_limit && !encoder_find_room(e);
}

#endif
