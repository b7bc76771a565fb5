/* Which method a column gets: LZ4 where it takes off a sixteenth, prefix codes where they take off
 * a thirty-second more; codes alone where LZ4 does little and would only blur what is frequent.
 * Short columns stay as they are: a code's lengths alone are 20 to 100 bytes.
 * LZ4 searches thoroughly where that pays: it takes a tenth to two thirds off what the quick search
 * leaves, at 15 times its cost. Columns that become small are worth it always; large ones in the
 * first megabyte of a trace only, so that little traces are little and large ones are written fast;
 * those that hardly hold anything new never. */
#include "format/pack.h"
#include "format/error.h"
#include "format/huffman.h"
#include "format/wire.h"
#include <lz4.h>
#include <lz4hc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX      16u
#define ENTRY_MAX_BYTES  (3 * VARINT_MAX_BYTES + 1)
#define DIRECTORY_MAX    (VARINT_MAX_BYTES + COLUMNS_MAX * ENTRY_MAX_BYTES)
#define COLUMN_MIN_BYTES 48u /* from here on a column is looked at */
#define CODE_SPARE_BYTES 8u  /* of huffman_put */

#define SEARCH_LEVEL 5          /* of LZ4's thorough variant */
#define SEARCH_SMALL 8192u      /* bytes after the quick search */
#define SEARCH_LIMIT (1u << 20) /* of those that are larger, so many bytes in all */
#define SEARCH_NEW   170u       /* fewer than one in so many bytes are new: not worth it */

enum method { METHOD_LZ4 = 1, METHOD_CODES = 2, METHOD_LIMIT = 4 };

struct packed_column {
    uint8_t method;
    uint64_t bytes, packed_bytes, between_bytes; /* of the column; packed; after LZ4 */
};

void packer_release(struct packer *p)
{
    free(p->packed);
    free(p->between);
    free(p->search);
    *p = (struct packer){0};
}

/* Memory of at least so many bytes, what was in it lost. */
static bool reserve(uint8_t **memory, size_t *capacity, size_t bytes)
{
    if (bytes <= *capacity)
        return true;
    free(*memory);
    *memory = malloc(bytes);
    *capacity = *memory ? bytes : 0;
    return *memory != NULL;
}

/* Reads the lengths at a payload's start (FORMAT.md 3). Returns the byte after them, or NULL. */
static const uint8_t *get_lengths(const uint8_t *at, const uint8_t *end,
                                  struct packed_column columns[COLUMNS_MAX], uint64_t *count)
{
    uint64_t total = 0;
    at = get_varint(at, end, count);
    if (!at || *count > COLUMNS_MAX)
        return NULL;
    for (uint64_t i = 0; i < *count; i++) {
        at = get_varint(at, end, &columns[i].bytes);
        if (!at || columns[i].bytes > (uint64_t)(end - at))
            return NULL;
        total += columns[i].bytes;
    }
    return total == (uint64_t)(end - at) ? at : NULL;
}

/* Is a column worth a thorough search that the quick one brought to so many bytes? */
static bool is_worth_search(struct packer *p, size_t bytes, size_t left)
{
    if (left * SEARCH_NEW < bytes)
        return false;
    if (left > SEARCH_SMALL) {
        if (p->searched_bytes + left > SEARCH_LIMIT)
            return false;
        p->searched_bytes += left;
    }
    if (!p->search)
        p->search = malloc((size_t)LZ4_sizeofStateHC());
    return p->search != NULL;
}

/* The bytes that a column has after LZ4, at p->between; 0 when it takes off less than a sixteenth.
 */
static size_t repetitions_out(struct packer *p, const uint8_t *in, size_t bytes)
{
    int most = (int)(bytes - bytes / 16);
    int left = LZ4_compress_default((const char *)in, (char *)p->between, (int)bytes, most);
    if (left > 0 && is_worth_search(p, bytes, (size_t)left))
        left = LZ4_compress_HC_extStateHC(p->search, (const char *)in, (char *)p->between,
                                          (int)bytes, most, SEARCH_LEVEL);
    return left > 0 ? (size_t)left : 0;
}

/* Are codes worth it, where the bytes would otherwise be so many? */
static bool pays(const struct huffman *codes, uint64_t bytes)
{
    return codes->bytes < bytes && codes->bytes + CODE_SPARE_BYTES + bytes / 32 < bytes;
}

/* How to pack a column: sets its method, the bytes after LZ4, and the code where there is one. */
static void choose(struct packer *p, const uint8_t *in, struct packed_column *c,
                   struct huffman *codes)
{
    struct huffman whole = {.bytes = SIZE_MAX};
    size_t bytes = (size_t)c->bytes;
    c->method = 0;
    if (bytes < COLUMN_MIN_BYTES)
        return;
    size_t left = repetitions_out(p, in, bytes);
    if (left == 0 || left > bytes / 3)
        huffman_plan(&whole, in, bytes);
    c->between_bytes = left ? left : bytes;
    c->method = left ? METHOD_LZ4 : 0;
    codes->bytes = SIZE_MAX;
    if (left >= COLUMN_MIN_BYTES)
        huffman_plan(codes, p->between, left);
    if (whole.bytes < codes->bytes && pays(&whole, c->between_bytes)) {
        *codes = whole;
        c->method = 0;
    }
    if (pays(codes, c->between_bytes))
        c->method |= METHOD_CODES;
}

/* Packs one column to out, which has room for it as it is. Returns the byte after it. */
static uint8_t *pack_column(struct packer *p, const uint8_t *in, struct packed_column *c,
                            uint8_t *out)
{
    struct huffman codes;
    choose(p, in, c, &codes);
    bool after_lz4 = c->method & METHOD_LZ4;
    const uint8_t *from = after_lz4 ? p->between : in;
    size_t bytes = (size_t)(after_lz4 ? c->between_bytes : c->bytes);
    uint8_t *end = out + bytes;
    if (c->method & METHOD_CODES)
        end = huffman_put(&codes, from, bytes, out);
    else
        memcpy(out, from, bytes);
    c->packed_bytes = (uint64_t)(end - out);
    return end;
}

static uint8_t *put_directory(const struct packed_column *columns, uint64_t count, uint8_t *out)
{
    out = put_varint(out, count);
    for (uint64_t i = 0; i < count; i++) {
        out = put_varint(out, columns[i].bytes);
        *out++ = columns[i].method;
        if (columns[i].method)
            out = put_varint(out, columns[i].packed_bytes);
        if (columns[i].method == (METHOD_LZ4 | METHOD_CODES))
            out = put_varint(out, columns[i].between_bytes);
    }
    return out;
}

size_t packer_pack(struct packer *p, const uint8_t *payload, size_t bytes)
{
    struct packed_column columns[COLUMNS_MAX] = {0};
    uint64_t count;
    const uint8_t *in = get_lengths(payload, payload + bytes, columns, &count);
    if (!in || !reserve(&p->packed, &p->packed_capacity, bytes + DIRECTORY_MAX) ||
        !reserve(&p->between, &p->between_capacity, bytes))
        return 0;
    uint8_t *first = p->packed + DIRECTORY_MAX, *end = first;
    for (uint64_t i = 0; i < count; in += columns[i++].bytes)
        end = pack_column(p, in, &columns[i], end);
    uint8_t *start = put_directory(columns, count, p->packed);
    size_t directory = (size_t)(start - p->packed), packed = (size_t)(end - first);
    memmove(start, first, packed);
    return directory + packed < bytes ? directory + packed : 0;
}

/* The directory of a packed payload. Returns the byte after it, or NULL when it does not fit what
 * is behind it. */
static const uint8_t *get_directory(const uint8_t *at, const uint8_t *end, size_t bytes,
                                    struct packed_column columns[COLUMNS_MAX], uint64_t *count)
{
    uint64_t total = 0;
    at = get_varint(at, end, count);
    if (!at || *count > COLUMNS_MAX)
        return NULL;
    for (uint64_t i = 0; i < *count; i++) {
        struct packed_column *c = &columns[i];
        at = get_varint(at, end, &c->bytes);
        if (!at || at == end || c->bytes > bytes || (c->method = *at++) >= METHOD_LIMIT)
            return NULL;
        c->packed_bytes = c->bytes;
        if (c->method && !(at = get_varint(at, end, &c->packed_bytes)))
            return NULL;
        c->between_bytes = c->method & METHOD_CODES ? c->bytes : c->packed_bytes;
        if (c->method == (METHOD_LZ4 | METHOD_CODES) &&
            !(at = get_varint(at, end, &c->between_bytes)))
            return NULL;
        if (c->packed_bytes > (uint64_t)(end - at) || c->between_bytes > bytes)
            return NULL;
        total += c->packed_bytes;
    }
    return total == (uint64_t)(end - at) ? at : NULL;
}

static bool unpack_column(struct packer *p, const uint8_t *in, const struct packed_column *c,
                          uint8_t *out)
{
    size_t bytes = (size_t)c->bytes, between = (size_t)c->between_bytes;
    if (!c->method) {
        memcpy(out, in, bytes);
        return true;
    }
    if (!(c->method & METHOD_LZ4))
        return huffman_get(in, (size_t)c->packed_bytes, out, bytes);
    if (c->method & METHOD_CODES) {
        if (!huffman_get(in, (size_t)c->packed_bytes, p->between, between))
            return false;
        in = p->between;
    }
    return LZ4_decompress_safe((const char *)in, (char *)out, (int)between, (int)bytes) ==
           (int)bytes;
}

int packer_unpack(struct packer *p, const uint8_t *in, size_t in_bytes, uint8_t *out, size_t bytes)
{
    struct packed_column columns[COLUMNS_MAX] = {0};
    uint64_t count, total = 0;
    uint8_t lengths[VARINT_MAX_BYTES * (COLUMNS_MAX + 1)], *at = lengths;
    in = get_directory(in, in + in_bytes, bytes, columns, &count);
    if (!in)
        return -ERR_DAMAGED;
    at = put_varint(at, count);
    for (uint64_t i = 0; i < count; total += columns[i++].bytes)
        at = put_varint(at, columns[i].bytes);
    if (total + (uint64_t)(at - lengths) != bytes)
        return -ERR_DAMAGED;
    if (!reserve(&p->between, &p->between_capacity, bytes))
        return -ERR_NOMEM;
    memcpy(out, lengths, (size_t)(at - lengths));
    out += at - lengths;
    for (uint64_t i = 0; i < count; in += columns[i].packed_bytes, out += columns[i++].bytes)
        if (!unpack_column(p, in, &columns[i], out))
            return -ERR_DAMAGED;
    return 0;
}
