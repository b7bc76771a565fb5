/* Texts on the wire: a varint of their length, then their bytes (FORMAT.md, opening). Why apart
 * from wire.h: they have a limit, and a struct that knows of events. Not here: who owns the bytes.
 * All are async-signal-safe and thread-safe. */
#ifndef FORMAT_TEXT_H
#define FORMAT_TEXT_H

#include "format/event.h"
#include "format/wire.h"
#include <string.h>

/* Writes a text at out, which has VARINT_MAX_BYTES and its length to spare. Returns the byte after
 * it. */
static inline uint8_t *put_text(uint8_t *out, struct text text)
{
    out = put_varint(out, text.length);
    if (text.length)
        memcpy(out, text.bytes, text.length);
    return out + text.length;
}

/* Reads a text from [in, end), from which it then borrows. Returns the byte after it, or NULL where
 * the bytes end too early or it is beyond TEXT_LIMIT: *text is as it was. */
static inline const uint8_t *get_text(const uint8_t *in, const uint8_t *end, struct text *text)
{
    uint64_t length;
    in = get_varint(in, end, &length);
    if (!in || length > TEXT_LIMIT || length > (uint64_t)(end - in))
        return 0;
    *text = (struct text){(const char *)in, (uint32_t)length};
    return in + length;
}

#endif
