/* A libFuzzer target: any bytes through reader and decoder, and a second look at what a payload
 * alone does. What must hold whatever the bytes are: it ends, no sanitizer speaks, block numbers
 * and counters only grow, ids stay below what the block's header and its definitions allow.
 * Why checksums are made right first: else no mutation would get past them.
 * Not here: how it is built (tests/fuzz/reader), replay (tests/fuzz/run drives the whole tool). */
#include "format/crc32.h"
#include "format/decode.h"
#include "format/part.h"
#include "format/wire.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define WINDOW 64

static void check(int good)
{
    if (!good)
        abort();
}

/* Every id of an event lies below what could be defined by now. */
static void check_event(const struct event *ev, struct block_info *next, uint64_t allocs)
{
    if (ev->kind == EVENT_ALLOC || ev->kind == EVENT_ALLOC_ADDRESS)
        check(ev->stack < next->first_stack && ev->allocator < ALLOCATOR_LIMIT);
    if (ev->kind == EVENT_FREE)
        check(ev->index < allocs);
    if (ev->kind == EVENT_THREAD)
        check(ev->thread < next->first_thread);
    if (ev->kind == EVENT_STACK) {
        check(ev->stack == next->first_stack && ev->parent < ev->stack);
        check(ev->function < next->first_function);
        next->first_stack++;
    }
    if (ev->kind != EVENT_RECORD)
        return;
    next->first_function += ev->record->type == RECORD_FUNCTION;
    next->first_process += ev->record->type == RECORD_PROCESS;
    next->first_thread += ev->record->type == RECORD_THREAD;
    if (ev->record->type == RECORD_MAP)
        check(ev->record->map.kind < MAP_KIND_COUNT && ev->record->map.stack < next->first_stack);
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
        check(last.sequence == UINT32_MAX || info.sequence > last.sequence);
        check(info.first_alloc >= last.first_alloc && info.first_stack >= last.first_stack);
        last = info;
        decode(decoder, &info, payload);
    }
    decoder_free(decoder);
    trace_reader_close(reader);
}

/* Makes the checksums of header, block headers and trailer right, wherever their tags stand. */
static void mend(uint8_t *bytes, size_t size)
{
    for (size_t at = 0; at + SKIPPABLE_BYTES + HEADER_TABLE_BYTES <= size; at++) {
        if (bytes[at] != 'M' || bytes[at + 1] != 'R')
            continue;
        uint32_t tag = get_u32(bytes + at), args = get_u32(bytes + at + 12);
        if (tag == TAG_HEADER && args <= size - at - HEADER_TABLE_BYTES)
            put_u32(bytes + at + 60,
                    crc32_update(crc32_update(0, bytes + at, 60), bytes + at + 64, args));
        if (tag == TAG_BLOCK && size - at >= BLOCK_TABLE_BYTES)
            put_u32(bytes + at + 92, crc32_update(0, bytes + at, 92));
        if (tag == TAG_TRAILER)
            put_u32(bytes + at + 44, crc32_update(0, bytes + at, 44));
    }
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
    static int fd = -1;
    if (fd < 0)
        fd = memfd_create("fuzzed", MFD_CLOEXEC);
    uint8_t *copy = malloc(size + 1);
    memcpy(copy, bytes, size);
    mend(copy, size);
    check(ftruncate(fd, 0) == 0 && pwrite(fd, copy, size, 0) == (ssize_t)size &&
          lseek(fd, 0, SEEK_SET) == 0);
    read_all(fd);
    payload_alone(bytes, size);
    free(copy);
    return 0;
}
