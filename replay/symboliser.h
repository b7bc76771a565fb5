/* Names for the offsets of many modules, read in a process apart.
 * Why a process: what names are read from are files of strangers, and libdw was not written for
 * hostile ones. A crash, an endless loop or all of the memory costs one module its names, never the
 * report; and what libdw took for a module is gone when the process is. Why one for all modules:
 * starting it costs more than a small module. Invariants: it ends before symboliser_run returns,
 * and with us if we are killed; what it says is checked like a file. Not here: reading one module
 * (symbolise.h). Not thread-safe; to be called while there is one thread. */
#ifndef REPLAY_SYMBOLISER_H
#define REPLAY_SYMBOLISER_H

#include "format/names.h"
#include "replay/symbolise.h"

struct symboliser_module {
    struct symbolise_ask ask;
    enum symbolise_status status; /* an answer */
};

/* Looks up all that is asked, gives the answers to `take`, by index of modules, and fills each
 * status. Returns 0, -ERR_NOMEM, or what `take` returned. */
int symboliser_run(struct symboliser_module *modules, uint32_t count, names_take *take,
                   void *context);

#endif
