/* Characters of foreign text: UTF-8 decoded strictly, control characters escaped (glyph.h). Why
 * not wcwidth(): it depends on the locale, and reports must not. */
#include "analyzer/glyph.h"

#include "format/plain.h"
#include <stdio.h>
#include <string.h>

static int continuation(const unsigned char *b, size_t length, size_t count, int32_t *code)
{
    if (length <= count)
        return -1;
    for (size_t i = 1; i <= count; i++) {
        if ((b[i] & 0xC0) != 0x80)
            return -1;
        *code = *code << 6 | (b[i] & 0x3F);
    }
    return 0;
}

int32_t glyph_decode(const char *bytes, size_t length, size_t *taken)
{
    static const int32_t least[] = {0, 0x80, 0x800, 0x10000};
    const unsigned char *b = (const unsigned char *)bytes;
    *taken = 1;
    if (b[0] < 0x80)
        return b[0];
    size_t more = b[0] >= 0xC2 && b[0] < 0xE0   ? 1
                  : b[0] >= 0xE0 && b[0] < 0xF0 ? 2
                  : b[0] >= 0xF0 && b[0] < 0xF5 ? 3
                                                : 0;
    int32_t code = b[0] & (0x3F >> more);
    if (!more || continuation(b, length, more, &code) || code < least[more] || code > 0x10FFFF ||
        (code >= 0xD800 && code < 0xE000))
        return -1;
    *taken = more + 1;
    return code;
}

struct span {
    int32_t first, last;
};

static bool within(int32_t code, const struct span *spans, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (code >= spans[i].first && code <= spans[i].last)
            return true;
    return false;
}

int glyph_columns(int32_t code)
{
    static const struct span none[] = {
        {0x300, 0x36F}, {0x200B, 0x200F}, {0x20D0, 0x20F0}, {0xFE00, 0xFE0F}};
    static const struct span wide[] = {{0x1100, 0x115F},   {0x2E80, 0x303E},  {0x3041, 0xA4CF},
                                       {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},  {0xFE30, 0xFE6F},
                                       {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},  {0x1F300, 0x1F64F},
                                       {0x1F900, 0x1FAFF}, {0x20000, 0x3FFFD}};
    if (code < 0x300)
        return 1;
    if (within(code, none, sizeof none / sizeof *none))
        return 0;
    return within(code, wide, sizeof wide / sizeof *wide) ? 2 : 1;
}

static int escape(char *out, size_t capacity, int32_t code, unsigned char byte)
{
    if (code < 0)
        return snprintf(out, capacity, "\\x%02x", byte);
    if (code < 0x100)
        return snprintf(out, capacity, "\\x%02x", (unsigned)code);
    if (code < 0x10000)
        return snprintf(out, capacity, "\\u%04x", (unsigned)code);
    return snprintf(out, capacity, "\\U%08x", (unsigned)code);
}

void glyph_append(char *out, size_t capacity, size_t *used, const char *bytes, size_t length,
                  bool ascii)
{
    size_t taken;
    for (size_t i = 0; i < length; i += taken) {
        int32_t code = glyph_decode(bytes + i, length - i, &taken);
        char piece[16];
        size_t n = taken;
        if (code < 0 || plain_control(code) || (ascii && code >= 0x80))
            n = (size_t)escape(piece, sizeof piece, code, (unsigned char)bytes[i]);
        else
            memcpy(piece, bytes + i, taken);
        if (*used + n + 1 > capacity)
            break;
        memcpy(out + *used, piece, n);
        *used += n;
    }
    if (*used < capacity)
        out[*used] = 0;
}

int glyph_text_columns(const char *text)
{
    size_t length = strlen(text), taken;
    int columns = 0;
    for (size_t i = 0; i < length; i += taken) {
        int32_t code = glyph_decode(text + i, length - i, &taken);
        columns += code < 0 ? 1 : glyph_columns(code);
    }
    return columns;
}
