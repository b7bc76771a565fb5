/* A frame in words: the function's name, and file and line as short as they stay readable.
 * Why paths are cut: `/home/ana/.venv/lib/python3.11/site-packages/pandas/io/parsers/readers.py`
 * says nothing that `pandas/io/parsers/readers.py` does not. Full paths are in the JSON. Not here:
 * trees (tree.h). Thread-safe. */
#ifndef ANALYZER_FRAME_H
#define ANALYZER_FRAME_H

#include "replay/symbols.h"

/* How this report writes frames. */
struct frame_style {
    bool ascii;              /* escape what is not ASCII */
    const struct name *home; /* folder of the main script with its slash, or NULL: not shown */
};

/* Writes the function's name, escaped, into out[capacity]. id: a function id; unknown ones are
 * named so. line: as in the node. */
void frame_function(char *out, size_t capacity, const struct symbols *s, uint32_t id, uint64_t line,
                    const struct frame_style *style);
/* Writes `file:line`, escaped and short; "" where nothing is known. */
void frame_place(char *out, size_t capacity, const struct symbols *s, uint32_t id, uint64_t line,
                 const struct frame_style *style);
/* Does the function belong to the standard library, an installed package, the interpreter, or a
 * library of machine code? */
bool frame_library(const struct symbols *s, uint32_t id);
/* Bytes of a module's base name before what says for which Python it was built, which is long and
 * tells no reader anything (_umath.cpython-311-x86_64-linux-gnu.so); all of them where it does not.
 */
uint32_t frame_untagged(struct text base);
/* The last part of a path, borrowed from it. */
struct text frame_base(const struct name *path);
/* Is it machine code? */
bool frame_native(const struct symbols *s, uint32_t id);
/* Is the path one of the standard library or of an installed package? */
bool frame_installed(const struct name *path);
/* Does it belong to the interpreter's own import machinery? */
bool frame_import(const struct symbols *s, uint32_t id);
/* The package of a library function ("pandas", "importlib"), or the name of the module of machine
 * code ("libopenblas"), escaped; "" if none is known. */
void frame_package(char *out, size_t capacity, const struct symbols *s, uint32_t id,
                   const struct frame_style *style);
/* The folder that holds the program's own main script, interned in s; NULL if it cannot be told. */
const struct name *frame_home(struct symbols *s);

#endif
