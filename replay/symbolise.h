/* Names for addresses in one ELF file: its functions, inlined ones too, with file and line.
 * Why offline: the recorded program pays nothing, and a trace keeps offsets only. Why the build id
 * is asked first: an updated library has other functions at the same places; no name is better than
 * a wrong one. Why libdw opens the files: it knows where distributions put debug information
 * (/usr/lib/debug by build id, .debug links, .gnu_debugdata, debuginfod where the user has set it
 * up). Invariants: an address outside every known function gets nothing; what a file says is
 * bounded but not trusted to be harmless (symboliser.h reads in a process apart). Not here: traces
 * and models (naming.h). Not thread-safe. */
#ifndef REPLAY_SYMBOLISE_H
#define REPLAY_SYMBOLISE_H

#include "format/names.h"

enum symbolise_status {
    SYMBOLISE_READ,        /* the right file; that is not to say that it has names */
    SYMBOLISE_MISSING,     /* no file there, or it may not be read */
    SYMBOLISE_OTHER_BUILD, /* the build id is another one */
    SYMBOLISE_CHANGED,     /* no build id to compare, and the file is younger than the recording */
    SYMBOLISE_NO_ELF,      /* not a file that names could be read from */
    SYMBOLISE_FAILED,      /* reading it crashed, took too long, or wanted too much memory */
    SYMBOLISE_NO_LIBRARY,  /* libdw is not installed */
    SYMBOLISE_STATUSES
};

struct symbolise_ask {
    const char *path;        /* as recorded */
    const char *build_id;    /* lower-case hex digits; "" where none is known */
    uint64_t recorded_at_ns; /* since 1970: without a build id, the file must not be younger */
    const uint64_t *offsets; /* rising, none twice: from the start of the mapped module */
    uint32_t count;
};

/* Takes what is known of offsets[index]: at least one frame and at most NAMES_MAX_FRAMES, outermost
 * first; functions as people write them; borrowed during the call. Anything but 0 ends the work. */
typedef int symbolise_take(void *context, uint32_t index, const struct names_frame *frames,
                           uint32_t count);

/* Looks the offsets up. *status tells what came of the file. Returns 0, -ERR_NOMEM, or what `take`
 * returned. */
int symbolise_module(const struct symbolise_ask *ask, symbolise_take *take, void *context,
                     enum symbolise_status *status);

#endif
