/* Foreign text on somebody's terminal: which characters steer it rather than being shown.
 * Why in the format: names and paths come from programs and files, and every side prints them.
 * Invariants: what is told here is escaped or replaced by whoever prints. Not here: escapes as
 * reports make them (analyzer/glyph.h). Thread-safe. */
#ifndef FORMAT_PLAIN_H
#define FORMAT_PLAIN_H

#include <stdbool.h>
#include <stdint.h>

/* Control characters (C0, DEL, C1), line and paragraph separators, what has no width or reorders
 * text, and tags. code: a code point, or -1 (none: false). */
bool plain_control(int32_t code);
/* Puts `with` in the place of each byte of such characters, in place; bytes that are no UTF-8 count
 * as characters of their own. Async-signal-safe. */
void plain_make(char *text, char with);

#endif
