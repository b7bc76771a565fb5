/* Which CPython lives in this process, and may its memory be read as the table says?
 *
 * All knowledge of the insides is a row of layout.def. A row is used only after the process itself
 * has confirmed it, in two steps that call nothing which could allocate: interp_probe() compares
 * the row with what the interpreter publishes about itself (type sizes, member offsets,
 * _Py_DebugOffsets) before Py_Initialize; walk.c compares it with the first real frames. An
 * unknown version has no row and is refused, never read by the nearest one.
 *
 * Not here: reading frames (walk.h). */
#ifndef RECORDER_PRELOAD_INTERP_H
#define RECORDER_PRELOAD_INTERP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recorder/preload/layout.h"

/* The numbers travel in the ring; they are never reused. */
enum interp_verdict {
    INTERP_NONE = 0,            /* no CPython in the global namespace of this process */
    INTERP_OK = 1,              /* everything compared so far agrees with the row */
    INTERP_UNKNOWN_VERSION = 2, /* a CPython without a row: older, newer or another implementation
                                 */
    INTERP_LAYOUT_MISMATCH = 3, /* a row exists, but this build differs (patched, debug) */
    INTERP_FRAMES_MISMATCH = 4, /* the row agreed at first, but live frames don't look as it says */
};

enum { INTERP_FACT_BYTES = 256 };

/* The interpreter of this process: written by interp_probe, before walking is on; constant after.
 * For the files that read its memory (walk.c, verify.c, code.c). */
struct interp {
    struct layout layout;
    uintptr_t runtime;   /* &_PyRuntime */
    uintptr_t code_type; /* &PyCode_Type, and so on */
    uintptr_t frame_type;
    uintptr_t bytes_type;
    uintptr_t text_type;
    uintptr_t (*attached)(void); /* the thread state this thread is attached to (3.12+), or NULL */
    uintptr_t (*remembered)(void); /* PyGILState_GetThisThreadState: also while it is detached */
    int minor;
    bool free_threaded;
    bool native; /* native frames are recorded: Python nodes tell where loops begin (pair.h) */
};
extern struct interp interp;

/* Find the interpreter and compare it with its row. For the library's constructor, before
 * Py_Initialize; again after a dlopen that brought an interpreter, while the answer was
 * INTERP_NONE (any other answer stays and is only repeated).
 * handle: RTLD_DEFAULT, or what dlopen returned for a libpython that was loaded RTLD_LOCAL.
 * fact: buffer of capacity bytes (INTERP_FACT_BYTES fits every sentence), gets a NUL-terminated
 * sentence: the version and what was compared, or the first difference; cut where it doesn't fit.
 * With INTERP_OK walking is on from here (walk.h). dlsym may allocate on a miss: call it where the
 * hooks ignore their own calls.
 * Preserves errno and dlerror's state is cleared. Not thread-safe: one thread at a time. */
enum interp_verdict interp_probe(void *handle, char *fact, size_t capacity);

/* The interpreter's version as Py_GetVersion's first word ("3.13.0", "3.15.0b1"), with a "t" for a
 * free-threaded build; "" when there is none. Static. */
const char *interp_version(void);

#endif
