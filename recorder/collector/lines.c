/* Decoding of line tables, see lines.h.
 *
 * Every format is a list of entries, each for a stretch of bytecode: walk until the stretch that
 * holds the instruction. Sources: Objects/lnotab_notes.txt (3.9, 3.10), Objects/locations.md and
 * Objects/codeobject.c, advance_with_locations (3.11+). */
#include "recorder/collector/lines.h"

#include <limits.h>

static int32_t as_line(int64_t line) { return line > 0 && line <= INT_MAX ? (int32_t)line : 0; }

/* 3.9: pairs (bytes to advance, signed lines to advance); a line begins where its pair ends. */
static int32_t find_in_lnotab(const struct line_table *t, int64_t lasti)
{
    int64_t line = t->first_line;
    int64_t at = 0;
    for (uint32_t i = 0; i + 1 < t->size_bytes; i += 2) {
        at += t->bytes[i];
        if (at > lasti)
            break;
        line += (int8_t)t->bytes[i + 1];
    }
    return as_line(line);
}

/* 3.10: pairs (bytes of the stretch, signed lines to advance before it); -128: it has no line. */
enum { PAIR_NO_LINE = -128 };

static int32_t find_in_pairs(const struct line_table *t, int64_t lasti)
{
    int64_t line = t->first_line;
    int64_t end = 0;
    for (uint32_t i = 0; i + 1 < t->size_bytes; i += 2) {
        int8_t delta = (int8_t)t->bytes[i + 1];
        end += t->bytes[i];
        if (delta != PAIR_NO_LINE)
            line += delta;
        if (end > lasti)
            return delta == PAIR_NO_LINE ? 0 : as_line(line);
    }
    return 0;
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

/* Lines are added modulo 2^32, as the interpreter's int would be: hostile deltas can't overflow. */
static int32_t find_in_locations(const struct line_table *t, int64_t lasti)
{
    const uint8_t *at = t->bytes, *limit = t->bytes + t->size_bytes;
    uint32_t line = (uint32_t)t->first_line;
    int64_t end = 0;
    while (at < limit) {
        unsigned kind = *at >> 3 & 15;
        end += 2 * ((*at & 7) + 1);
        line += (uint32_t)line_delta(kind, at + 1, limit);
        if (end > lasti)
            return kind == ENTRY_NO_LINE ? 0 : as_line((int32_t)line);
        for (at++; at < limit && !(*at & ENTRY_FIRST);)
            at++;
    }
    return 0;
}

int32_t lines_find(const struct line_table *table, int32_t lasti_bytes)
{
    if (lasti_bytes < 0)
        return as_line(table->first_line);
    switch (table->kind) {
    case LINE_TABLE_LNOTAB: return find_in_lnotab(table, lasti_bytes);
    case LINE_TABLE_PAIRS: return find_in_pairs(table, lasti_bytes);
    case LINE_TABLE_LOCATIONS: return find_in_locations(table, lasti_bytes);
    case LINE_TABLE_NONE: break;
    }
    return as_line(table->first_line);
}
