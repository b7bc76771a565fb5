/* Writers of single parts (FORMAT.md 1). Why into memory: the collector decides when and how bytes
 * reach the disk. The frame is made by LZ4's frame library with content size and content checksum,
 * as stock tools expect it. */
#include "format/crc32.h"
#include "format/pack.h"
#include "format/part.h"
#include "format/wire.h"
#include <lz4frame.h>
#include <stdlib.h>

struct compressor {
    LZ4F_cctx *context;
    struct packer packer;
};

size_t trace_header_bound(const struct trace_header *h)
{
    size_t total = SKIPPABLE_BYTES + HEADER_TABLE_BYTES + VARINT_MAX_BYTES;
    for (uint32_t i = 0; i < h->argument_count; i++)
        total += VARINT_MAX_BYTES + (size_t)h->arguments[i].length;
    return total;
}

static bool arguments_fit(const struct trace_header *h)
{
    if (h->argument_count > RECORD_ARGUMENT_LIMIT || trace_header_bound(h) > RECORD_MAX_BYTES)
        return false;
    for (uint32_t i = 0; i < h->argument_count; i++)
        if (h->arguments[i].length > TEXT_LIMIT)
            return false;
    return true;
}

int trace_header_write(const struct trace_header *h, uint8_t *out, size_t capacity)
{
    if (!arguments_fit(h))
        return -ERR_LIMIT;
    if (capacity < trace_header_bound(h))
        return -ERR_FULL;
    uint8_t *table = out + SKIPPABLE_BYTES, *args = table + HEADER_TABLE_BYTES;
    uint8_t *at = part_put_arguments(h, args);
    part_put_frame(out, (uint32_t)(at - table));
    part_put_header(h, table, (uint32_t)(at - args));
    return (int)(at - out);
}

struct compressor *compressor_new(void)
{
    struct compressor *c = calloc(1, sizeof *c);
    if (c && LZ4F_isError(LZ4F_createCompressionContext(&c->context, LZ4F_VERSION))) {
        free(c);
        return NULL;
    }
    return c;
}

void compressor_free(struct compressor *c)
{
    if (!c)
        return;
    LZ4F_freeCompressionContext(c->context);
    packer_release(&c->packer);
    free(c);
}

/* In what was packed there is hardly anything to find: little is searched. */
#define QUICK_LEVEL (-100)

static LZ4F_preferences_t frame_preferences(size_t payload_bytes, int level)
{
    return (LZ4F_preferences_t){
        .frameInfo = {.blockSizeID = payload_bytes > (1u << 20) ? LZ4F_max4MB : LZ4F_max1MB,
                      .blockMode = LZ4F_blockLinked,
                      .contentChecksumFlag = LZ4F_contentChecksumEnabled,
                      .contentSize = payload_bytes},
        .compressionLevel = level,
        .autoFlush = 1,
    };
}

static size_t frame_bound(size_t payload_bytes)
{
    LZ4F_preferences_t preferences = frame_preferences(payload_bytes, 0);
    return LZ4F_HEADER_SIZE_MAX + LZ4F_compressBound(payload_bytes, &preferences);
}

size_t trace_block_bound(size_t payload_bytes)
{
    return SKIPPABLE_BYTES + BLOCK_TABLE_BYTES + frame_bound(payload_bytes);
}

/* One LZ4 frame of the content at out[capacity]. Returns its bytes, or 0 when the library failed.
 */
static size_t compress_frame(struct compressor *c, const uint8_t *payload, size_t payload_bytes,
                             int level, uint8_t *out, size_t capacity)
{
    LZ4F_preferences_t preferences = frame_preferences(payload_bytes, level);
    size_t total = LZ4F_compressBegin(c->context, out, capacity, &preferences);
    if (LZ4F_isError(total))
        return 0;
    size_t step = LZ4F_compressUpdate(c->context, out + total, capacity - total, payload,
                                      payload_bytes, NULL);
    if (LZ4F_isError(step))
        return 0;
    total += step;
    step = LZ4F_compressEnd(c->context, out + total, capacity - total, NULL);
    return LZ4F_isError(step) ? 0 : total + step;
}

int64_t trace_block_write(struct compressor *c, uint64_t trace_id, const struct block_info *info,
                          const uint8_t *payload, uint8_t *out, size_t capacity)
{
    if (info->payload_bytes == 0 || info->payload_bytes > PAYLOAD_MAX_BYTES)
        return -ERR_LIMIT;
    if (capacity < trace_block_bound(info->payload_bytes))
        return -ERR_FULL;
    uint8_t *table = part_put_frame(out, BLOCK_TABLE_BYTES), *frame = table + BLOCK_TABLE_BYTES;
    size_t packed_bytes = packer_pack(&c->packer, payload, info->payload_bytes);
    size_t room = capacity - (size_t)(frame - out);
    size_t frame_bytes =
        packed_bytes ? compress_frame(c, c->packer.packed, packed_bytes, QUICK_LEVEL, frame, room)
                     : compress_frame(c, payload, info->payload_bytes, 0, frame, room);
    if (frame_bytes == 0)
        return -ERR_NOMEM;
    const struct block_frame facts = {(uint32_t)frame_bytes, (uint32_t)packed_bytes};
    part_put_block(trace_id, info, &facts, table);
    return frame + frame_bytes - out;
}

size_t trace_index_bound(uint32_t count)
{
    return SKIPPABLE_BYTES + INDEX_FIXED_BYTES + (size_t)count * INDEX_ENTRY_BYTES;
}

int64_t trace_index_write(const struct trace_index_entry *entries, uint32_t count, uint8_t *out,
                          size_t capacity)
{
    if (count > INDEX_COUNT_MAX)
        return -ERR_LIMIT;
    if (capacity < trace_index_bound(count))
        return -ERR_FULL;
    uint8_t *table = part_put_frame(out, INDEX_FIXED_BYTES + count * INDEX_ENTRY_BYTES);
    put_u32(table, TAG_INDEX);
    put_u32(table + 4, count);
    uint8_t *at = table + 8;
    for (uint32_t i = 0; i < count; i++, at += INDEX_ENTRY_BYTES) {
        put_u64(at, entries[i].offset);
        put_u64(at + 8, entries[i].start_ns);
        put_u64(at + 16, entries[i].first_event);
        put_u64(at + 24, entries[i].first_alloc);
        put_u64(at + 32, entries[i].checkpoint);
    }
    put_u32(at, crc32_update(0, table, (size_t)(at - table)));
    return at + 4 - out;
}

int trace_trailer_write(const struct trace_trailer *t, uint8_t *out, size_t capacity)
{
    _Static_assert(TRACE_TRAILER_BYTES == SKIPPABLE_BYTES + TRAILER_TABLE_BYTES, "one size");
    if (capacity < TRACE_TRAILER_BYTES)
        return -ERR_FULL;
    part_put_trailer(t, part_put_frame(out, TRAILER_TABLE_BYTES));
    return TRACE_TRAILER_BYTES;
}
