/* A Python str as UTF-8, read from its memory.
 *
 * PyUnicode_AsUTF8 would allocate and cache; this reads the characters where they lie, in any of
 * the representations of PEP 393 (ASCII, 1, 2 or 4 bytes a character, compact or not).
 * Not here: checking that an object is a str (code.c). */
#ifndef RECORDER_PRELOAD_PYSTR_H
#define RECORDER_PRELOAD_PYSTR_H

#include <stddef.h>
#include <stdint.h>

#include "recorder/preload/layout.h"

/* Write the str object at text to out: UTF-8, no NUL, at most capacity_bytes, cut between
 * characters. A surrogate is written as the six characters \udXXX, NUL as it is.
 * Returns the bytes written; 0 also for a representation that is not known (a legacy string that
 * was never made ready). text must be a living str of an interpreter with this layout.
 * Async-signal-safe. */
size_t pystr_utf8(const struct layout *layout, uintptr_t text, char *out, size_t capacity_bytes);

#endif
