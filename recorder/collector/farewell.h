/* The closing block on stderr: peak and largest holders, how the program ended, where the trace is,
 * what to type next. Not here: the numbers, which memreplay takes from the trace itself. */
#ifndef RECORDER_COLLECTOR_FAREWELL_H
#define RECORDER_COLLECTOR_FAREWELL_H

#include "recorder/collector/control.h"
#include "recorder/collector/target.h"

/* status: the program's raw wait status; done: what the collector told; held: who held the memory
 * has been told (farewell_guard), or cannot be read: the trace's file system does not answer. */
void farewell(const struct target *t, const char *trace, int status, const struct control *done,
              bool held);

/* That there is no recording, or not a whole one, and why: all of the block where nothing but
 * errors is wanted. */
void farewell_failure(const struct control *done);

/* Before the guard ends the program: why, and who holds the memory. guard: CONTROL_GUARD; quiet:
 * why alone. */
void farewell_guard(const struct target *t, const char *trace, const struct control *guard,
                    bool quiet);

#endif
