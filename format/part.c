/* Offsets of FORMAT.md 1.1, 1.2 and 1.3, written and read side by side. */
#include "format/part.h"
#include "format/crc32.h"
#include "format/text.h"

uint8_t *part_put_frame(uint8_t *out, uint32_t size)
{
    put_u32(out, SKIPPABLE_MAGIC);
    put_u32(out + 4, size);
    return out + SKIPPABLE_BYTES;
}

static uint32_t header_crc(const uint8_t *table, const uint8_t *args, uint32_t args_bytes)
{
    return crc32_update(crc32_update(0, table, 60), args, args_bytes);
}

void part_put_header(const struct trace_header *h, uint8_t *out, uint32_t args_bytes)
{
    put_u32(out, TAG_HEADER);
    put_u16(out + 4, TRACE_VERSION);
    put_u16(out + 6, HEADER_TABLE_BYTES);
    put_u32(out + 8, h->flags);
    put_u32(out + 12, args_bytes);
    put_u64(out + 16, h->started_unix_ns);
    put_u64(out + 24, h->started_mono_ns);
    put_u64(out + 32, h->sample_bytes);
    put_u64(out + 40, h->trace_id);
    put_u32(out + 48, h->root_pid);
    put_u32(out + 52, h->page_bytes);
    put_u32(out + 56, 0);
    put_u32(out + 60, header_crc(out, out + HEADER_TABLE_BYTES, args_bytes));
}

int part_get_header(struct trace_header *h, const uint8_t *in, uint32_t size, const uint8_t **args,
                    uint32_t *args_bytes, struct err *err)
{
    uint16_t version = get_u16(in + 4), header_bytes = get_u16(in + 6);
    *args_bytes = get_u32(in + 12);
    if (header_bytes < HEADER_TABLE_BYTES || header_bytes > size ||
        *args_bytes != size - header_bytes)
        return err_set(err, ERR_DAMAGED, "the file header is damaged (its sizes)");
    *args = in + header_bytes;
    if (get_u32(in + 60) != header_crc(in, *args, *args_bytes))
        return err_set(err, ERR_DAMAGED, "the file header is damaged (its checksum)");
    if (version > TRACE_VERSION)
        return err_set(err, ERR_VERSION, "format version %u, this reader knows up to %u", version,
                       TRACE_VERSION);
    *h = (struct trace_header){
        .version = version,
        .flags = get_u32(in + 8),
        .started_unix_ns = get_u64(in + 16),
        .started_mono_ns = get_u64(in + 24),
        .sample_bytes = get_u64(in + 32),
        .trace_id = get_u64(in + 40),
        .root_pid = get_u32(in + 48),
        .page_bytes = get_u32(in + 52),
    };
    return 0;
}

uint8_t *part_put_arguments(const struct trace_header *h, uint8_t *out)
{
    out = put_varint(out, h->argument_count);
    for (uint32_t i = 0; i < h->argument_count; i++)
        out = put_text(out, h->arguments[i]);
    return out;
}

bool part_get_arguments(const uint8_t *args, uint32_t args_bytes, struct text *texts,
                        uint32_t *count)
{
    const uint8_t *at = args, *end = args + args_bytes;
    uint64_t texts_there = 0;
    if (args_bytes)
        at = get_varint(at, end, &texts_there);
    if (!at || texts_there > RECORD_ARGUMENT_LIMIT)
        return false;
    for (uint64_t i = 0; i < texts_there; i++)
        if (!(at = get_text(at, end, &texts[i])))
            return false;
    *count = (uint32_t)texts_there;
    return true;
}

void part_put_block(uint64_t trace_id, const struct block_info *info,
                    const struct block_frame *frame, uint8_t *out)
{
    put_u32(out, TAG_BLOCK);
    put_u16(out + 4, BLOCK_TABLE_BYTES);
    put_u16(out + 6, info->coding);
    put_u32(out + 8, info->sequence);
    put_u32(out + 12, frame->bytes);
    put_u32(out + 16, info->payload_bytes);
    put_u32(out + 20, info->op_count);
    put_u64(out + 24, trace_id);
    put_u64(out + 32, info->first_event);
    put_u64(out + 40, info->first_alloc);
    put_u64(out + 48, info->start_ns);
    put_u32(out + 56, info->first_function);
    put_u32(out + 60, info->first_stack);
    put_u32(out + 64, info->first_process);
    put_u32(out + 68, info->first_thread);
    put_u32(out + 72, info->thread);
    put_u32(out + 76, info->event_count);
    put_u32(out + 80, info->alloc_count);
    put_u32(out + 84, frame->packed_bytes);
    put_u32(out + 88, info->payload_crc32);
    put_u32(out + 92, crc32_update(0, out, 92));
}

bool part_get_block(const uint8_t *in, uint32_t size, uint64_t *trace_id, struct block_info *info,
                    struct block_frame *frame)
{
    if (size < BLOCK_TABLE_BYTES || get_u32(in) != TAG_BLOCK || get_u16(in + 4) != size ||
        get_u32(in + 92) != crc32_update(0, in, 92))
        return false;
    *trace_id = get_u64(in + 24);
    *frame = (struct block_frame){get_u32(in + 12), get_u32(in + 84)};
    *info = (struct block_info){
        .coding = get_u16(in + 6),
        .sequence = get_u32(in + 8),
        .payload_bytes = get_u32(in + 16),
        .op_count = get_u32(in + 20),
        .first_event = get_u64(in + 32),
        .first_alloc = get_u64(in + 40),
        .start_ns = get_u64(in + 48),
        .first_function = get_u32(in + 56),
        .first_stack = get_u32(in + 60),
        .first_process = get_u32(in + 64),
        .first_thread = get_u32(in + 68),
        .thread = get_u32(in + 72),
        .event_count = get_u32(in + 76),
        .alloc_count = get_u32(in + 80),
        .payload_crc32 = get_u32(in + 88),
    };
    return true;
}

void part_put_trailer(const struct trace_trailer *t, uint8_t *out)
{
    put_u32(out, TAG_TRAILER);
    put_u16(out + 4, TRAILER_TABLE_BYTES);
    put_u16(out + 6, t->flags);
    put_u64(out + 8, t->index_offset);
    put_u64(out + 16, t->events);
    put_u64(out + 24, t->allocs);
    put_u64(out + 32, t->end_ns);
    put_u32(out + 40, t->blocks);
    put_u32(out + 44, crc32_update(0, out, 44));
}

bool part_get_trailer(const uint8_t *in, uint32_t size, struct trace_trailer *t)
{
    if (size != TRAILER_TABLE_BYTES || get_u32(in) != TAG_TRAILER || get_u16(in + 4) != size ||
        get_u32(in + 44) != crc32_update(0, in, 44))
        return false;
    *t = (struct trace_trailer){
        .flags = get_u16(in + 6),
        .index_offset = get_u64(in + 8),
        .events = get_u64(in + 16),
        .allocs = get_u64(in + 24),
        .end_ns = get_u64(in + 32),
        .blocks = get_u32(in + 40),
    };
    return true;
}
