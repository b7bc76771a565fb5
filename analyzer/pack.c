/* Varints, sections, LZ4 and base64 for pages (pack.h). Why LZ4 at its default high level: a page
 * is written once and its budget is bytes. */
#include "analyzer/pack.h"

#include "format/error.h"
#include <limits.h>
#include <lz4.h>
#include <lz4hc.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH_BYTES 8

void pack_release(struct pack *p)
{
    free(p->bytes);
    *p = (struct pack){0};
}

static bool reserve(struct pack *p, size_t more)
{
    size_t capacity = p->capacity ? p->capacity : 4096;
    if (p->failed || more > SIZE_MAX / 4 - p->used)
        return !(p->failed = true);
    while (capacity < p->used + more)
        capacity *= 2;
    if (capacity == p->capacity)
        return true;
    uint8_t *bytes = realloc(p->bytes, capacity);
    if (!bytes)
        return !(p->failed = true);
    p->bytes = bytes;
    p->capacity = capacity;
    return true;
}

void pack_bytes(struct pack *p, const void *bytes, size_t count)
{
    if (!count || !reserve(p, count))
        return;
    memcpy(p->bytes + p->used, bytes, count);
    p->used += count;
}

void pack_number(struct pack *p, uint64_t value)
{
    if (!reserve(p, 10))
        return;
    for (; value > 0x7F; value >>= 7)
        p->bytes[p->used++] = (uint8_t)(value | 0x80);
    p->bytes[p->used++] = (uint8_t)value;
}

void pack_signed(struct pack *p, int64_t value)
{
    pack_number(p, (uint64_t)value << 1 ^ (uint64_t)(value >> 63));
}

void pack_section(struct pack *p, const char *tag, struct pack *section)
{
    p->failed |= section->failed;
    pack_bytes(p, tag, 4);
    pack_number(p, section->used);
    pack_bytes(p, section->bytes, section->used);
    pack_release(section);
}

void base64_write(const uint8_t *bytes, size_t count, FILE *out)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < count; i += 3) {
        size_t left = count - i;
        uint32_t three = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                         (left > 2 ? bytes[i + 2] : 0u);
        fputc(letters[three >> 18], out);
        fputc(letters[three >> 12 & 63], out);
        fputc(left > 1 ? letters[three >> 6 & 63] : '=', out);
        fputc(left > 2 ? letters[three & 63] : '=', out);
    }
}

/* The bytes below the base64; NULL when out of memory. The caller frees them. */
static uint8_t *compressed(const struct pack *p, size_t *bytes)
{
    if (p->failed || p->used > LZ4_MAX_INPUT_SIZE)
        return 0;
    int room = LZ4_compressBound((int)p->used);
    uint8_t *out = malloc(LENGTH_BYTES + (size_t)room);
    if (!out)
        return 0;
    for (int i = 0; i < LENGTH_BYTES; i++)
        out[i] = (uint8_t)((uint64_t)p->used >> 8 * i);
    int made = LZ4_compress_HC((const char *)p->bytes, (char *)out + LENGTH_BYTES, (int)p->used,
                               room, LZ4HC_CLEVEL_DEFAULT);
    *bytes = LENGTH_BYTES + (size_t)made;
    if (made > 0)
        return out;
    free(out);
    return 0;
}

int pack_write(const struct pack *p, FILE *out)
{
    size_t count;
    uint8_t *bytes = compressed(p, &count);
    if (!bytes)
        return -ERR_NOMEM;
    base64_write(bytes, count, out);
    free(bytes);
    return 0;
}

size_t pack_written_bytes(const struct pack *p)
{
    size_t count = 0;
    uint8_t *bytes = compressed(p, &count);
    free(bytes);
    return bytes ? (count + 2) / 3 * 4 : 0;
}
