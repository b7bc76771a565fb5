/* Where a source file comes from, so that the same file is known again in another run, on another
 * machine, in another virtual environment or under another version of Python.
 * Why by role: `/home/ana/.venv/lib/python3.11/site-packages/pandas/core/frame.py` and
 * `/opt/py313/lib/python3.13/site-packages/pandas/core/frame.py` are one file to whoever compares.
 *
 *   L  an installed package or the standard library: the path below its folder
 *   S  the script that the run started, whatever it is called
 *   H  below the folder of that script: the path from there
 *   P  below the prefix of the interpreter (a script in .venv/bin): the path from there
 *   M  machine code: the library's name without its version
 *   X  machine code of the program itself: likewise
 *   O  anything else: the path as it was recorded
 *
 * Invariants: the letter stands first in the text of a key, so files of different roles never meet.
 * Not here: functions and stacks (paths.h). Not thread-safe. */
#ifndef ANALYZER_ORIGIN_H
#define ANALYZER_ORIGIN_H

#include "replay/model.h"

/* What one recording tells about its folders. Texts are borrowed from its symbols. */
struct origins {
    const struct name *home;   /* folder of the script with its slash, or NULL */
    const struct name *script; /* the file of the script, or NULL */
    struct text prefix;        /* of the interpreter, with its slash; may be empty */
};

enum {
    ORIGIN_LIBRARY = 'L',
    ORIGIN_SCRIPT = 'S',
    ORIGIN_HOME = 'H',
    ORIGIN_PREFIX = 'P',
    ORIGIN_MODULE = 'M',
    ORIGIN_PROGRAM = 'X',
    ORIGIN_OTHER = 'O'
};

struct origin {
    char kind;        /* one of the above */
    struct text rest; /* the path as the kind shortens it; part of the file's name, or of made */
    char made[256];
};

/* Learns what a recording tells. The model is borrowed, and may be given a name. */
void origins_learn(struct origins *o, struct model *m);
/* Where a function's file comes from. out is filled; kind: enum function_kind, MODULE where the
 * file is a module. PROGRAM is the caller's to say. */
void origin_find(struct origin *out, const struct origins *o, const struct name *file,
                 uint8_t kind);

#endif
