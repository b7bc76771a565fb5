/* Lists of names, written and read, and the parts that hold them (names.h, FORMAT.md 1.4). */
#include "format/names.h"

#include "format/crc32.h"
#include "format/error.h"
#include "format/grow.h"
#include "format/part.h"
#include "format/text.h"
#include <lz4.h>
#include <string.h>

struct names_text {
    char *bytes;
    uint32_t length, hash;
};

void names_writer_clear(struct names_writer *w)
{
    for (uint32_t i = 0; i < w->text_count; i++)
        free(w->texts[i].bytes);
    if (w->slots)
        memset(w->slots, 0, w->slot_count * sizeof *w->slots);
    w->text_count = 0;
    w->used = w->text_bytes = 0;
    w->answers = w->last_offset = 0;
}

void names_writer_release(struct names_writer *w)
{
    names_writer_clear(w);
    free(w->bytes);
    free(w->texts);
    free(w->slots);
    *w = (struct names_writer){0};
}

static uint32_t text_hash(struct text text)
{
    uint32_t h = 0x811C9DC5u;
    for (uint32_t i = 0; i < text.length; i++)
        h = (h ^ (uint8_t)text.bytes[i]) * 0x01000193u;
    return h;
}

/* The slot of a text: with its number + 1, or empty. */
static uint32_t *text_slot(const struct names_writer *w, struct text text, uint32_t hash)
{
    uint32_t at = hash & (w->slot_count - 1);
    for (; w->slots[at]; at = (at + 1) & (w->slot_count - 1)) {
        const struct names_text *other = &w->texts[w->slots[at] - 1];
        if (other->hash == hash && other->length == text.length &&
            !memcmp(other->bytes, text.bytes, text.length))
            break;
    }
    return &w->slots[at];
}

static bool grow_slots(struct names_writer *w)
{
    uint32_t count = w->slot_count ? w->slot_count * 2 : 1024, mask = count - 1;
    uint32_t *slots = calloc(count, sizeof *slots);
    if (!slots)
        return false;
    for (uint32_t i = 0; i < w->text_count; i++) {
        uint32_t at = w->texts[i].hash & mask;
        while (slots[at])
            at = (at + 1) & mask;
        slots[at] = i + 1;
    }
    free(w->slots);
    w->slots = slots;
    w->slot_count = count;
    return true;
}

/* The number of a text, which is new or not. False: out of memory. */
static bool number_of(struct names_writer *w, struct text text, uint32_t *number)
{
    uint32_t hash = text_hash(text);
    if ((w->text_count + 1) * 2 > w->slot_count && !grow_slots(w))
        return false;
    uint32_t *slot = text_slot(w, text, hash);
    if (!*slot) {
        if (w->text_count == w->text_capacity && !GROW(w->texts, w->text_capacity, 256u))
            return false;
        char *copy = malloc(text.length + 1ul);
        if (!copy)
            return false;
        memcpy(copy, text.length ? text.bytes : "", text.length);
        w->texts[w->text_count++] = (struct names_text){copy, text.length, hash};
        w->text_bytes += VARINT_MAX_BYTES + (size_t)text.length;
        *slot = w->text_count;
    }
    *number = *slot - 1;
    return true;
}

static bool room(struct names_writer *w, size_t bytes)
{
    while (w->capacity - w->used < bytes)
        if (!GROW(w->bytes, w->capacity, (size_t)4096))
            return false;
    return true;
}

int names_writer_add(struct names_writer *w, uint64_t offset, const struct names_frame *frames,
                     uint32_t count)
{
    uint32_t numbers[NAMES_MAX_FRAMES][2];
    if (count > NAMES_MAX_FRAMES)
        return -ERR_LIMIT;
    for (uint32_t i = 0; i < count; i++)
        if (frames[i].function.length > TEXT_LIMIT || frames[i].file.length > TEXT_LIMIT)
            return -ERR_LIMIT;
    for (uint32_t i = 0; i < count; i++)
        if (!number_of(w, frames[i].function, &numbers[i][0]) ||
            !number_of(w, frames[i].file, &numbers[i][1]))
            return -ERR_NOMEM;
    if (!room(w, (2 + 3ul * count) * VARINT_MAX_BYTES))
        return -ERR_NOMEM;
    uint8_t *at = put_varint(w->bytes + w->used, offset - w->last_offset);
    at = put_varint(at, count);
    for (uint32_t i = 0; i < count; i++) {
        at = put_varint(at, numbers[i][0]);
        at = put_varint(at, numbers[i][1]);
        at = put_varint(at, frames[i].line);
    }
    w->used = (size_t)(at - w->bytes);
    w->last_offset = offset;
    w->answers++;
    return 0;
}

bool names_writer_full(const struct names_writer *w)
{
    return w->used + w->text_bytes >= NAMES_FULL_BYTES;
}

uint8_t *names_writer_list(const struct names_writer *w, struct text path, struct text build_id,
                           size_t *length)
{
    size_t fixed = 4 * VARINT_MAX_BYTES + (size_t)path.length + build_id.length;
    uint8_t *list = malloc(fixed + w->text_bytes + w->used), *at = list;
    if (!list)
        return 0;
    at = put_text(put_text(at, path), build_id);
    at = put_varint(at, w->text_count);
    for (uint32_t i = 0; i < w->text_count; i++)
        at = put_text(at, (struct text){w->texts[i].bytes, w->texts[i].length});
    at = put_varint(at, w->answers);
    if (w->used)
        memcpy(at, w->bytes, w->used);
    *length = (size_t)(at - list) + w->used;
    return list;
}

static bool take_text(struct names_reader *r, struct text *text)
{
    r->at = get_text(r->at, r->end, text);
    return r->at != 0;
}

static bool take_number(struct names_reader *r, uint64_t *number)
{
    r->at = get_varint(r->at, r->end, number);
    return r->at != 0;
}

int names_reader_init(struct names_reader *r, const uint8_t *bytes, size_t length)
{
    uint64_t count;
    *r = (struct names_reader){.at = bytes, .end = bytes + length};
    if (length > NAMES_MAX_BYTES || !take_text(r, &r->path) || !take_text(r, &r->build_id) ||
        !take_number(r, &count) || count > length)
        return -ERR_DAMAGED;
    r->texts = calloc(count + 1, sizeof *r->texts);
    if (!r->texts)
        return -ERR_NOMEM;
    for (; r->text_count < count; r->text_count++)
        if (!take_text(r, &r->texts[r->text_count]))
            return -ERR_DAMAGED;
    return take_number(r, &r->left) ? 0 : -ERR_DAMAGED;
}

void names_reader_release(struct names_reader *r)
{
    free(r->texts);
    r->texts = 0;
}

static bool get_frame(struct names_reader *r, struct names_frame *frame)
{
    uint64_t function, file;
    if (!take_number(r, &function) || !take_number(r, &file) || !take_number(r, &frame->line) ||
        function >= r->text_count || file >= r->text_count)
        return false;
    frame->function = r->texts[function];
    frame->file = r->texts[file];
    return true;
}

int names_reader_next(struct names_reader *r, uint64_t *offset, struct names_frame *frames,
                      uint32_t *count)
{
    uint64_t step, there;
    if (!r->left)
        return r->at == r->end ? 0 : -ERR_DAMAGED;
    if (!take_number(r, &step) || !take_number(r, &there) || there > NAMES_MAX_FRAMES)
        return -ERR_DAMAGED;
    for (uint64_t i = 0; i < there; i++)
        if (!get_frame(r, &frames[i]))
            return -ERR_DAMAGED;
    r->left--;
    *offset = r->offset += step;
    *count = (uint32_t)there;
    return 1;
}

int names_reader_each(struct names_reader *r, uint32_t module, names_take *take, void *context)
{
    struct names_frame frames[NAMES_MAX_FRAMES];
    uint64_t offset;
    uint32_t count;
    int rc = 0;
    while (!rc && (rc = names_reader_next(r, &offset, frames, &count)) > 0)
        rc = take(context, module, offset, frames, count);
    return rc;
}

uint8_t *names_part_write(uint64_t trace_id, const uint8_t *list, size_t length, size_t *part_bytes)
{
    int bound = length <= NAMES_MAX_BYTES ? LZ4_compressBound((int)length) : 0;
    uint8_t *out = malloc(SKIPPABLE_BYTES + NAMES_PART_BYTES + (size_t)bound + 4);
    if (!out)
        return 0;
    uint8_t *table = out + SKIPPABLE_BYTES, *packed = table + NAMES_PART_BYTES;
    int packed_bytes = LZ4_compress_default((const char *)list, (char *)packed, (int)length, bound);
    put_u32(table, TAG_NAMES);
    put_u16(table + 4, NAMES_PART_BYTES);
    put_u16(table + 6, 0);
    put_u64(table + 8, trace_id);
    put_u32(table + 16, (uint32_t)length);
    put_u32(table + 20, (uint32_t)packed_bytes);
    uint8_t *end = packed + packed_bytes;
    put_u32(end, crc32_update(0, table, (size_t)(end - table)));
    part_put_frame(out, (uint32_t)(end + 4 - table));
    *part_bytes = (size_t)(end + 4 - out);
    return out;
}

int names_part_read(uint64_t trace_id, const uint8_t *part, size_t part_bytes, uint8_t **list,
                    size_t *length)
{
    if (part_bytes < NAMES_PART_BYTES + 4 || get_u32(part) != TAG_NAMES ||
        get_u16(part + 4) != NAMES_PART_BYTES || get_u64(part + 8) != trace_id ||
        get_u32(part + 16) > NAMES_MAX_BYTES ||
        get_u32(part + 20) != part_bytes - NAMES_PART_BYTES - 4 ||
        get_u32(part + part_bytes - 4) != crc32_update(0, part, part_bytes - 4))
        return -ERR_DAMAGED;
    *length = get_u32(part + 16);
    *list = malloc(*length + 1);
    if (!*list)
        return -ERR_NOMEM;
    int got = LZ4_decompress_safe((const char *)part + NAMES_PART_BYTES, (char *)*list,
                                  (int)get_u32(part + 20), (int)*length);
    if (got >= 0 && (size_t)got == *length)
        return 0;
    free(*list);
    *list = 0;
    return -ERR_DAMAGED;
}
