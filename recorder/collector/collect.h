/* The collector process: from the first drain to the closed trace.
 * Runs in a session of its own, without the program's descriptors; it is never in the program's way
 * and outlives the launcher where recorded children live on. Not here: starting programs
 * (launch.h). */
#ifndef RECORDER_COLLECTOR_COLLECT_H
#define RECORDER_COLLECTOR_COLLECT_H

#include "format/trace_file.h"
#include "recorder/collector/writer.h"

struct collect {
    int control;    /* the launcher's pair */
    int listener;   /* where new images ask */
    int trace;      /* the file, empty */
    uint32_t flags; /* enum shm_flag */
    struct trace_header header;
    struct writer_limits limits;
    uint64_t oom_reserve_bytes; /* as guard_open takes it */
};

/* Everything, until the end. Tells the launcher how it goes (control.h). Returns the collector's
 * exit status. Descriptors are owned from here on. */
int collect_run(const struct collect *c);

#endif
