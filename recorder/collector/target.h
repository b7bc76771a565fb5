/* What is to be started, found and judged before anything happens: fail fast, with a sentence.
 * Not here: starting it (launch.h). */
#ifndef RECORDER_COLLECTOR_TARGET_H
#define RECORDER_COLLECTOR_TARGET_H

#include "recorder/collector/options.h"
#include <limits.h>

enum {
    EXIT_OUR_FAILURE = 125, /* wrong usage, refused interpreter or output */
    EXIT_NOT_EXECUTABLE = 126,
    EXIT_NOT_FOUND = 127
};

struct target {
    char path[PATH_MAX];    /* of the program */
    char **arguments;       /* its argv, owned */
    char library[PATH_MAX]; /* libmemrec.so */
    char replay[PATH_MAX];  /* memreplay; "" where there is none beside us */
    char name[64]; /* for the default name of the trace: script without .py, module, python-c,
                      program */
    bool any;      /* record the program even if it is no Python */
};

/* Returns 0, or one of the exit statuses above with err filled. */
int target_find(struct target *t, const struct options *o, struct err *err);
/* Frees the arguments. */
void target_release(struct target *t);

#endif
