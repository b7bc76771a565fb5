/* Encoding of protocol buffers: see protobuf.h. Why a flag instead of results: a message is built
 * by a dozen calls in a row, and one look at its end is enough. */
#include "analyzer/protobuf.h"

#include <stdlib.h>
#include <string.h>

enum { WIRE_VARINT = 0, WIRE_LENGTH = 2, VARINT_MAX_BYTES = 10 };

void protobuf_clear(struct protobuf *p)
{
    p->used = 0;
    p->failed = false;
}

void protobuf_release(struct protobuf *p)
{
    free(p->bytes);
    *p = (struct protobuf){0};
}

static bool reserve(struct protobuf *p, size_t more)
{
    size_t capacity = p->capacity ? p->capacity : 256;
    if (p->capacity - p->used >= more)
        return true;
    while (capacity - p->used < more)
        capacity *= 2;
    uint8_t *grown = realloc(p->bytes, capacity);
    p->failed |= !grown;
    if (!grown)
        return false;
    p->bytes = grown;
    p->capacity = capacity;
    return true;
}

void protobuf_item(struct protobuf *p, uint64_t value)
{
    if (!reserve(p, VARINT_MAX_BYTES))
        return;
    for (; value >= 0x80; value >>= 7)
        p->bytes[p->used++] = (uint8_t)(value | 0x80);
    p->bytes[p->used++] = (uint8_t)value;
}

void protobuf_number(struct protobuf *p, unsigned field, uint64_t value)
{
    if (!value)
        return;
    protobuf_item(p, field << 3 | WIRE_VARINT);
    protobuf_item(p, value);
}

void protobuf_bytes(struct protobuf *p, unsigned field, const void *bytes, size_t length)
{
    protobuf_item(p, field << 3 | WIRE_LENGTH);
    protobuf_item(p, length);
    if (!reserve(p, length))
        return;
    if (length)
        memcpy(p->bytes + p->used, bytes, length);
    p->used += length;
}
