/* Recipes into traces and back (recipe.h). The counts of a header are found by decoding the payload
 * once: as far as it goes, they are right. */
#include "tests/fuzz/recipe.h"

#include "format/crc32.h"
#include "format/decode.h"
#include "format/op.h"
#include "format/record.h"
#include "format/trace_file.h"
#include "format/wire.h"

#include <stdlib.h>
#include <string.h>

enum { TRACE_ID = 7, BLOCKS_MAX = 64, DIRECTORY = 1 + 10 * COLUMN_COUNT, JUMP = 100, WINDOW = 64 };
#define SAMPLE_BYTES 524288u

struct cook {
    struct input in;
    uint8_t *out;
    size_t used, capacity;
    struct compressor *compressor;
    struct decoder *decoder;
    struct block_info info; /* of the next block */
};

static uint8_t *room(struct cook *c, size_t bytes)
{
    if (c->capacity - c->used < bytes) {
        c->capacity = 2 * c->capacity + bytes;
        c->out = realloc(c->out, c->capacity);
        must(c->out != NULL);
    }
    return c->out + c->used;
}

static void put_header(struct cook *c, unsigned flags)
{
    static const struct text arguments[] = {
        {"python3", 7}, {"\x1b]0;job\a<script>.py", 19}, {"\xff\xfe=1+1", 6}};
    struct trace_header header = {.flags = TRACE_OBJECTS | TRACE_STACKS,
                                  .started_unix_ns = UINT64_C(1700000000000000000),
                                  .trace_id = TRACE_ID,
                                  .sample_bytes = flags & RECIPE_SAMPLED ? SAMPLE_BYTES : 0,
                                  .root_pid = 100,
                                  .page_bytes = 4096,
                                  .arguments = arguments,
                                  .argument_count = flags & RECIPE_ARGUMENTS ? 3 : 0};
    size_t bound = trace_header_bound(&header);
    int bytes = trace_header_write(&header, room(c, bound), bound);
    must(bytes > 0);
    c->used += (size_t)bytes;
}

/* The payload of the block that the recipe goes on with. Returns its length. */
static size_t put_payload(struct cook *c, struct block_info *info, uint8_t *payload)
{
    unsigned columns = info->coding == CODING_1 ? COLUMN_COUNT_1 : COLUMN_COUNT;
    size_t length[COLUMN_COUNT];
    const uint8_t *column[COLUMN_COUNT];
    for (unsigned i = 0; i < COLUMN_COUNT; i++)
        length[i] = (size_t)input_number(&c->in, 2);
    uint8_t *at = put_varint(payload, columns);
    for (unsigned i = 0; i < columns; i++) {
        column[i] = input_bytes(&c->in, length[i], &length[i]);
        at = put_varint(at, length[i]);
    }
    for (unsigned i = 0; i < columns; at += length[i++])
        memcpy(at, column[i], length[i]);
    info->op_count = (uint32_t)length[COLUMN_OPS];
    return (size_t)(at - payload);
}

static void count_event(const struct event *ev, struct block_info *info)
{
    bool is_alloc = ev->kind == EVENT_ALLOC || ev->kind == EVENT_ALLOC_ADDRESS;
    bool is_free = ev->kind == EVENT_FREE || ev->kind == EVENT_FREE_ADDRESS;
    info->alloc_count += ev->kind == EVENT_ALLOC;
    info->event_count +=
        is_alloc || is_free || (ev->kind == EVENT_RECORD && record_counts(ev->record->type));
}

/* Counts what the payload holds, and takes over into *next what the block after it starts with. */
static void count(struct cook *c, struct block_info *info, const uint8_t *payload,
                  struct block_info *next)
{
    struct event events[WINDOW];
    struct err err;
    int got;
    info->event_count = info->alloc_count = 0;
    decoder_free(c->decoder);
    c->decoder = decoder_new();
    must(c->decoder != NULL);
    *next = *info;
    if (decoder_open(c->decoder, info, payload, &err))
        return;
    while ((got = decoder_read(c->decoder, events, WINDOW, &err)) > 0)
        for (int i = 0; i < got; i++) {
            count_event(&events[i], info);
            if (events[i].kind == EVENT_TIME)
                next->start_ns = events[i].time_ns;
            if (events[i].kind == EVENT_THREAD)
                next->thread = events[i].thread;
        }
    decoder_next_ids(c->decoder, next);
}

static void jump(struct block_info *info, unsigned flags)
{
    info->sequence += !!(flags & RECIPE_GAP);
    if (flags & RECIPE_JUMP_IDS) {
        info->first_function += JUMP;
        info->first_stack += JUMP;
        info->first_process += JUMP;
        info->first_thread += JUMP;
    }
    if (flags & RECIPE_JUMP_ALLOCS) {
        info->first_alloc += JUMP;
        info->first_event += JUMP;
    }
}

static void put_block(struct cook *c)
{
    unsigned flags = (unsigned)input_number(&c->in, 1);
    struct block_info info = c->info, next;
    size_t left = (size_t)(c->in.end - c->in.at);
    uint8_t *payload = malloc(left + DIRECTORY);
    must(payload != NULL);
    jump(&info, flags);
    info.coding = flags & RECIPE_CODING_1 ? CODING_1 : CODING_2;
    info.payload_bytes = (uint32_t)put_payload(c, &info, payload);
    count(c, &info, payload, &next);
    next.first_event = info.first_event + info.event_count;
    next.first_alloc = info.first_alloc + info.alloc_count;
    next.sequence = info.sequence + 1;
    info.event_count += !!(flags & RECIPE_LIE);
    info.payload_crc32 = crc32_update(0, payload, info.payload_bytes);
    size_t bound = trace_block_bound(info.payload_bytes);
    int64_t bytes =
        trace_block_write(c->compressor, TRACE_ID, &info, payload, room(c, bound), bound);
    free(payload);
    must(bytes > 0);
    c->used += (size_t)bytes;
    c->info = next;
}

static void put_trailer(struct cook *c)
{
    struct trace_trailer trailer = {.events = c->info.first_event,
                                    .allocs = c->info.first_alloc,
                                    .end_ns = c->info.start_ns,
                                    .blocks = c->info.sequence};
    int bytes = trace_trailer_write(&trailer, room(c, TRACE_TRAILER_BYTES), TRACE_TRAILER_BYTES);
    must(bytes > 0);
    c->used += (size_t)bytes;
}

uint8_t *recipe_cook(const uint8_t *recipe, size_t recipe_size, size_t *size)
{
    struct cook c = {
        .in = {recipe, recipe + recipe_size},
        .compressor = compressor_new(),
        .info = {.first_function = FUNCTION_FIRST, .first_stack = STACK_FIRST, .thread = ID_NONE}};
    unsigned flags = (unsigned)input_number(&c.in, 1);
    must(c.compressor != NULL);
    put_header(&c, flags);
    for (unsigned blocks = 0; c.in.at < c.in.end && blocks < BLOCKS_MAX; blocks++)
        put_block(&c);
    if (!(flags & RECIPE_NO_TRAILER))
        put_trailer(&c);
    decoder_free(c.decoder);
    compressor_free(c.compressor);
    *size = c.used;
    return c.out;
}

/* Appends a block's columns. Returns false when one is too long for a recipe. */
static bool add_columns(struct cook *c, const struct block_info *info, const uint8_t *payload)
{
    uint64_t columns, length[COLUMN_COUNT] = {0};
    const uint8_t *end = payload + info->payload_bytes, *at = get_varint(payload, end, &columns);
    for (uint64_t i = 0; at && i < columns && i < COLUMN_COUNT; i++) {
        at = get_varint(at, end, &length[i]);
        if (length[i] > UINT16_MAX)
            return false;
    }
    if (!at || columns > COLUMN_COUNT)
        return false;
    size_t bytes = (size_t)(end - at);
    uint8_t *to = room(c, 1 + 2 * COLUMN_COUNT + bytes);
    *to++ = info->coding == CODING_1 ? RECIPE_CODING_1 : 0;
    for (unsigned i = 0; i < COLUMN_COUNT; i++, to += 2)
        put_u16(to, (uint16_t)length[i]);
    memcpy(to, at, bytes);
    c->used += 1 + 2 * COLUMN_COUNT + bytes;
    return true;
}

uint8_t *recipe_of(int fd, size_t *size)
{
    struct cook c = {0};
    struct trace_reader *reader;
    struct block_info info;
    const uint8_t *payload;
    struct trace_damage damage;
    struct trace_trailer trailer;
    struct err err;
    int part;
    if (trace_reader_open(&reader, fd, "a trace", &err))
        return NULL;
    *room(&c, 1) = RECIPE_ARGUMENTS;
    c.used = 1;
    while ((part = trace_reader_next(reader, &info, &payload, &damage, &trailer, &err)) > 0)
        if (part == TRACE_BLOCK && !add_columns(&c, &info, payload))
            break;
    trace_reader_close(reader);
    *size = c.used;
    return c.out;
}
