/* Characters that steer a terminal (plain.h). Why a table: Unicode has them in few spans, and what
 * iscntrl() says depends on the locale. */
#include "format/plain.h"

#include <stddef.h>

bool plain_control(int32_t code)
{
    static const struct {
        int32_t first, last;
    } spans[] = {{0, 0x1F},        {0x7F, 0x9F},      {0x61C, 0x61C},   {0x180E, 0x180E},
                 {0x200B, 0x200F}, {0x2028, 0x202E},  {0x2060, 0x206F}, {0xFEFF, 0xFEFF},
                 {0xFFF9, 0xFFFB}, {0xE0000, 0xE007F}};
    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++)
        if (code >= spans[i].first && code <= spans[i].last)
            return true;
    return false;
}

/* The character that begins there, loosely: a byte that begins none is one by itself. */
static int32_t character(const unsigned char *at, int *bytes)
{
    int more = at[0] >= 0xF0 ? 3 : at[0] >= 0xE0 ? 2 : at[0] >= 0xC0 ? 1 : 0;
    int32_t code = more ? at[0] & (0x3F >> more) : at[0];
    *bytes = 1;
    for (int i = 1; i <= more; i++) {
        if ((at[i] & 0xC0) != 0x80)
            return at[0];
        code = code << 6 | (at[i] & 0x3F);
    }
    *bytes = more + 1;
    return code;
}

void plain_make(char *text, char with)
{
    int bytes;
    for (char *at = text; *at; at += bytes)
        if (plain_control(character((const unsigned char *)at, &bytes)))
            for (int i = 0; i < bytes; i++)
                at[i] = with;
}
