/* Names for the offsets of many modules, read in a process apart.
 * Why a process: what names are read from are files of strangers, and libdw was not written for
 * hostile ones. A crash, an endless loop or all of the memory costs one module its names, never the
 * report; and what libdw took for a module is gone when the process is. Why one for all modules:
 * starting it costs more than a small module. Why it may be started long before it is asked: it has
 * the memory of who starts it, so it is started by who has little as yet. Invariants: it ends with
 * symboliser_stop, and with us if we are killed; what it says is checked like a file. Not here:
 * reading one module (symbolise.h). Not thread-safe; to be started while there is one thread. */
#ifndef REPLAY_SYMBOLISER_H
#define REPLAY_SYMBOLISER_H

#include "format/names.h"
#include "replay/symbolise.h"
#include <sys/types.h>

struct symboliser_module {
    struct symbolise_ask ask;
    enum symbolise_status status; /* an answer */
};

/* The process, as it is seen from here. Zeroed: none. */
struct symboliser {
    pid_t child;
    int fd;
};

/* Starts it, where there is none. Where that fails there is none. */
void symboliser_start(struct symboliser *s);
/* Looks up all that is asked, gives the answers to `take`, by index of modules, and fills each
 * status; starts a process where there is none, and another where one died. Returns 0, -ERR_NOMEM,
 * or what `take` returned. */
int symboliser_run(struct symboliser *s, struct symboliser_module *modules, uint32_t count,
                   names_take *take, void *context);
/* Ends it; none is allowed. */
void symboliser_stop(struct symboliser *s);

#endif
