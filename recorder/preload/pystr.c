/* PEP 393 strings to UTF-8, see pystr.h. Representation: Include/cpython/unicodeobject.h. */
#include "recorder/preload/pystr.h"

#include <stdbool.h>
#include <string.h>

#include "recorder/preload/memory.h"

/* Encode one code point. Returns its bytes, 0 if they don't fit into room. */
static size_t put_character(uint32_t c, char *out, size_t room)
{
    static const char digits[] = "0123456789abcdef";
    if (c < 0x80) {
        if (room < 1)
            return 0;
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        if (room < 2)
            return 0;
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 63));
        return 2;
    }
    if (c >= 0xD800 && c < 0xE000) {
        if (room < 6)
            return 0;
        memcpy(out, "\\ud", 3);
        for (int i = 0; i < 3; i++)
            out[3 + i] = digits[c >> (8 - 4 * i) & 15];
        return 6;
    }
    if (c < 0x10000) {
        if (room < 3)
            return 0;
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 63));
        out[2] = (char)(0x80 | (c & 63));
        return 3;
    }
    if (room < 4 || c > 0x10FFFF)
        return 0;
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 63));
    out[2] = (char)(0x80 | (c >> 6 & 63));
    out[3] = (char)(0x80 | (c & 63));
    return 4;
}

/* The i-th character of an array of kind-byte characters. */
static uint32_t character_at(uintptr_t data, unsigned kind, size_t i)
{
    if (kind == 1)
        return memory_u8(data + i);
    if (kind == 2)
        return memory_u16(data + 2 * i);
    return memory_u32(data + 4 * i);
}

size_t pystr_utf8(const struct layout *layout, uintptr_t text, char *out, size_t capacity_bytes)
{
    uint32_t state = memory_u32(text + (uintptr_t)layout->text_state);
    size_t length = memory_word(text + (uintptr_t)layout->text_length);
    unsigned kind = state >> layout->text_kind_bit & 7;
    bool compact = state >> layout->text_compact_bit & 1;
    bool ascii = state >> layout->text_ascii_bit & 1;
    uintptr_t data = !compact ? memory_word(text + (uintptr_t)layout->text_data)
                     : ascii  ? text + (uintptr_t)layout->text_ascii_data
                              : text + (uintptr_t)layout->text_compact_data;
    if ((kind != 1 && kind != 2 && kind != 4) || !data)
        return 0;
    size_t used = 0;
    for (size_t i = 0; i < length; i++) {
        size_t n = put_character(character_at(data, kind, i), out + used, capacity_bytes - used);
        if (!n)
            break;
        used += n;
    }
    return used;
}
