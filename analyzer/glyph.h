/* Text of the recorded program made safe to show: characters, their width on a terminal, and
 * escapes for what is none. Why: names and arguments come from the program and may hold control
 * sequences, or bytes that are not UTF-8 at all. Invariants: what comes out is valid UTF-8 (or
 * ASCII) without control characters, and reads `\x1b` where one stood. Not here: layout
 * (terminal.h), JSON's own escapes (json.h). Thread-safe. */
#ifndef ANALYZER_GLYPH_H
#define ANALYZER_GLYPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The character at bytes[0..length): its code point, or -1 for a byte that starts no valid UTF-8;
 * *taken bytes of it (>= 1). */
int32_t glyph_decode(const char *bytes, size_t length, size_t *taken);
/* Columns of a code point: 0, 1 or 2. */
int glyph_columns(int32_t code);

/* Appends bytes to out[capacity] at *used, escaped; ascii: everything beyond ASCII escaped too.
 * Stops where the room ends, with whole characters. out stays NUL-terminated. */
void glyph_append(char *out, size_t capacity, size_t *used, const char *bytes, size_t length,
                  bool ascii);
/* Columns of a text that glyph_append made. */
int glyph_text_columns(const char *text);

#endif
