/* The launcher: starts the collector, then the program, and waits as a shell would.
 * It shares the terminal's foreground group with the program, hands on signals that were sent to it
 * alone, and takes the program's place in what it returns. Not here: what to run (target.h),
 * collecting (collect.h). */
#ifndef RECORDER_COLLECTOR_LAUNCH_H
#define RECORDER_COLLECTOR_LAUNCH_H

#include "recorder/collector/target.h"

/* Runs and records. Returns the exit status of memrec: the program's own, 128+N, 53, or 125 to 127
 * with err filled when nothing was started. */
int launch_run(const struct options *o, const struct target *t, struct err *err);

#endif
