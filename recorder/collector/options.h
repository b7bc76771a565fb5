/* What `memrec run` was asked to do: the command line, read and checked (options.def is the list).
 * Not here: whether the program exists (target.h). */
#ifndef RECORDER_COLLECTOR_OPTIONS_H
#define RECORDER_COLLECTOR_OPTIONS_H

#include "format/error.h"
#include <stdbool.h>
#include <stdint.h>

enum option_letter {
    OPTION_MAX_SIZE = 256,
    OPTION_OBJECTS,
    OPTION_NO_OBJECTS,
    OPTION_CHILDREN,
    OPTION_NO_STACKS,
    OPTION_NO_OOM,
    OPTION_OOM_RESERVE,
    OPTION_NATIVE,
    OPTION_NO_NATIVE,
    OPTION_SAMPLE
};

enum native_frames { NATIVE_OTHERS /* in programs without Python */, NATIVE_ALL, NATIVE_NO };
enum run_form { RUN_SCRIPT, RUN_MODULE, RUN_CODE, RUN_PROGRAM };

struct options {
    enum run_form form;
    char **arguments; /* script, module, code or program first; NULL at the end; borrowed from argv
                       */
    const char *output; /* NULL: the default name */
    bool force, objects, stacks, quiet, help;
    char children; /* a, p, n: rendezvous.h */
    enum native_frames native;
    uint64_t max_bytes;
    uint64_t oom_reserve_bytes; /* as guard_open takes it (guard.h) */
};

/* argv[0] is the word "run". Returns 0, or -ERR_USAGE with err filled. */
int options_read(struct options *o, int argc, char **argv, struct err *err);

/* The option list of --help, to stdout. */
void options_print(void);

#endif
