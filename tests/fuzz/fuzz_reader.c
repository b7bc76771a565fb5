/* A libFuzzer target: any bytes through reader and decoder, and a second look at what a payload
 * alone does. What must hold whatever the bytes are: it ends, no sanitizer speaks, block numbers
 * and counters only grow, ids stay below what the block's header and its definitions allow.
 * Why checksums are made right first: else no mutation would get past them.
 * Not here: replay and reports (fuzz_columns.c, fuzz_replay.c). */
#include "tests/fuzz/input.h"

#include "format/crc32.h"
#include "format/decode.h"
#include "format/part.h"
#include "format/wire.h"
#include <stdlib.h>
#include <string.h>

#define WINDOW 64

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Every id of an event lies below what could be defined by now. */
static void check_event(const struct event *ev, struct block_info *next, uint64_t allocs)
{
    if (ev->kind == EVENT_ALLOC || ev->kind == EVENT_ALLOC_ADDRESS)
        must(ev->stack < next->first_stack && ev->allocator < ALLOCATOR_LIMIT);
    if (ev->kind == EVENT_FREE)
        must(ev->index < allocs);
    if (ev->kind == EVENT_THREAD)
        must(ev->thread < next->first_thread);
    if (ev->kind == EVENT_STACK) {
        must(ev->stack == next->first_stack && ev->parent < ev->stack);
        must(ev->function < next->first_function);
        next->first_stack++;
    }
    if (ev->kind != EVENT_RECORD)
        return;
    next->first_function += ev->record->type == RECORD_FUNCTION;
    next->first_process += ev->record->type == RECORD_PROCESS;
    next->first_thread += ev->record->type == RECORD_THREAD;
    if (ev->record->type == RECORD_MAP)
        must(ev->record->map.kind < MAP_KIND_COUNT && ev->record->map.stack < next->first_stack);
    if (ev->record->type == RECORD_PROCESS)
        for (uint32_t i = 0; i < ev->record->process.argument_count; i++)
            crc32_update(0, ev->record->process.arguments[i].bytes,
                         ev->record->process.arguments[i].length);
}

static void decode(struct decoder *decoder, const struct block_info *info, const uint8_t *payload)
{
    struct event events[WINDOW];
    struct err err;
    struct block_info next = *info;
    uint64_t allocs = info->first_alloc;
    if (decoder_open(decoder, info, payload, &err))
        return;
    int count;
    while ((count = decoder_read(decoder, events, WINDOW, &err)) > 0)
        for (int i = 0; i < count; i++) {
            allocs += events[i].kind == EVENT_ALLOC;
            check_event(&events[i], &next, allocs);
        }
}

static void read_all(int fd)
{
    struct trace_reader *reader;
    struct err err;
    if (trace_reader_open(&reader, fd, "fuzzed", &err))
        return;
    struct decoder *decoder = decoder_new();
    struct block_info info, last = {.sequence = UINT32_MAX};
    const uint8_t *payload;
    struct trace_damage damage;
    struct trace_trailer trailer;
    int part;
    while ((part = trace_reader_next(reader, &info, &payload, &damage, &trailer, &err)) > 0) {
        if (part != TRACE_BLOCK)
            continue;
        must(last.sequence == UINT32_MAX || info.sequence > last.sequence);
        must(info.first_alloc >= last.first_alloc && info.first_stack >= last.first_stack);
        last = info;
        decode(decoder, &info, payload);
    }
    decoder_free(decoder);
    trace_reader_close(reader);
}

/* The bytes as a payload of their own, under a header that they choose. */
static void payload_alone(const uint8_t *bytes, size_t size)
{
    if (size < 16)
        return;
    struct block_info info = {
        .sequence = bytes[0],
        .payload_bytes = (uint32_t)size - 16,
        .op_count = bytes[1] | (uint32_t)(bytes[2] & 3) << 8,
        .event_count = bytes[3],
        .alloc_count = bytes[4],
        .first_alloc = bytes[5],
        .first_function = 1u + bytes[6],
        .first_stack = 2u + bytes[7],
        .first_process = bytes[8],
        .first_thread = bytes[9],
        .thread = ID_NONE,
    };
    struct decoder *decoder = decoder_new();
    decode(decoder, &info, bytes + 16);
    decoder_free(decoder);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size + 1);
    memcpy(copy, bytes, size);
    mend_checksums(copy, size);
    read_all(input_file(0, copy, size, NULL));
    payload_alone(bytes, size);
    free(copy);
    return 0;
}
