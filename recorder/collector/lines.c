/* Decoding of line tables, see lines.h.
 *
 * Every format is a list of entries, each for a stretch of bytecode: a cursor goes from stretch to
 * stretch, whoever asks. Sources: Objects/lnotab_notes.txt (3.9, 3.10), Objects/locations.md and
 * Objects/codeobject.c, advance_with_locations (3.11+). */
#include "recorder/collector/lines.h"

#include <limits.h>
#include <stdbool.h>

/* Lines are added modulo 2^32, as the interpreter's int would be: hostile deltas can't overflow. */
struct cursor {
    const uint8_t *at, *limit;
    int64_t end;   /* of the stretch: the first byte of bytecode behind it */
    uint32_t line; /* the count of lines so far */
    int32_t told;  /* the stretch's line, 0: none */
};

static int32_t as_line(uint32_t line) { return line <= INT_MAX ? (int32_t)line : 0; }

/* 3.9: pairs (bytes to advance, signed lines to advance); a line begins where its pair ends, and
 * the last one has no end. */
static bool next_of_lnotab(struct cursor *c)
{
    if (c->end == INT64_MAX)
        return false;
    c->told = as_line(c->line);
    if (c->limit - c->at < 2) {
        c->end = INT64_MAX;
        return true;
    }
    c->end += c->at[0];
    c->line += (uint32_t)(int8_t)c->at[1];
    c->at += 2;
    return true;
}

/* 3.10: pairs (bytes of the stretch, signed lines to advance before it); -128: it has no line. */
enum { PAIR_NO_LINE = -128 };

static bool next_of_pairs(struct cursor *c)
{
    if (c->limit - c->at < 2)
        return false;
    int8_t delta = (int8_t)c->at[1];
    c->end += c->at[0];
    if (delta != PAIR_NO_LINE)
        c->line += (uint32_t)delta;
    c->told = delta == PAIR_NO_LINE ? 0 : as_line(c->line);
    c->at += 2;
    return true;
}

/* 3.11+: an entry's first byte has bit 7 set, its others don't; bits 3 to 6 are the entry's kind,
 * bits 0 to 2 the 2-byte units of the stretch, less one. */
enum {
    ENTRY_FIRST = 0x80,
    ENTRY_ONE_LINE = 10, /* to 12: the line moves by kind - 10 */
    ENTRY_NO_COLUMNS = 13,
    ENTRY_LONG = 14,
    ENTRY_NO_LINE = 15,
};

/* A signed varint: 6 bits a byte, bit 6: more follow; the lowest bit of the whole is the sign. */
static int64_t signed_varint(const uint8_t *bytes, const uint8_t *end)
{
    uint64_t value = 0;
    for (unsigned shift = 0; bytes < end && shift < 60; shift += 6) {
        value |= (uint64_t)(*bytes & 63) << shift;
        if (!(*bytes++ & 64))
            break;
    }
    return value & 1 ? -(int64_t)(value >> 1) : (int64_t)(value >> 1);
}

static int64_t line_delta(unsigned kind, const uint8_t *rest, const uint8_t *end)
{
    if (kind == ENTRY_NO_COLUMNS || kind == ENTRY_LONG)
        return signed_varint(rest, end);
    if (kind >= ENTRY_ONE_LINE && kind < ENTRY_NO_COLUMNS)
        return kind - ENTRY_ONE_LINE;
    return 0;
}

static bool next_of_locations(struct cursor *c)
{
    if (c->at >= c->limit)
        return false;
    unsigned kind = *c->at >> 3 & 15;
    c->end += 2 * ((*c->at & 7) + 1);
    c->line += (uint32_t)line_delta(kind, c->at + 1, c->limit);
    c->told = kind == ENTRY_NO_LINE ? 0 : as_line(c->line);
    for (c->at++; c->at < c->limit && !(*c->at & ENTRY_FIRST);)
        c->at++;
    return true;
}

static struct cursor cursor_begin(const struct line_table *table)
{
    return (struct cursor){
        .at = table->bytes,
        .limit = table->bytes + (table->bytes ? table->size_bytes : 0),
        .line = (uint32_t)table->first_line,
    };
}

/* On to the next stretch. Returns false: there is none. */
static bool cursor_next(struct cursor *c, enum line_table_kind kind)
{
    switch (kind) {
    case LINE_TABLE_LNOTAB: return next_of_lnotab(c);
    case LINE_TABLE_PAIRS: return next_of_pairs(c);
    case LINE_TABLE_LOCATIONS: return next_of_locations(c);
    case LINE_TABLE_NONE: break;
    }
    bool first = c->end == 0;
    c->told = as_line(c->line);
    c->end = INT64_MAX;
    return first;
}

int32_t lines_find(const struct line_table *table, int32_t lasti_bytes)
{
    struct cursor c = cursor_begin(table);
    if (lasti_bytes < 0)
        return as_line(c.line);
    while (cursor_next(&c, table->kind))
        if (c.end > lasti_bytes)
            return c.told;
    return 0;
}

uint32_t lines_decode(const struct line_table *table, struct line_run *runs, uint32_t capacity)
{
    struct cursor c = cursor_begin(table);
    struct line_run last = {0};
    uint32_t count = 0;
    while (cursor_next(&c, table->kind)) {
        uint32_t end = c.end < UINT32_MAX ? (uint32_t)c.end : UINT32_MAX;
        if (end == last.end_bytes)
            continue;
        count += !count || c.told != last.line;
        last = (struct line_run){end, c.told};
        if (count <= capacity)
            runs[count - 1] = last;
    }
    return count;
}

int32_t lines_find_run(const struct line_run *runs, uint32_t count, int32_t first_line,
                       int32_t lasti_bytes)
{
    uint32_t low = 0, high = count;
    if (lasti_bytes < 0)
        return as_line((uint32_t)first_line);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (runs[middle].end_bytes > (uint32_t)lasti_bytes)
            high = middle;
        else
            low = middle + 1;
    }
    return low < count ? runs[low].line : 0;
}
