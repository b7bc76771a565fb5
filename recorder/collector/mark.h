/* `memrec mark [--pid PID] NAME`: names a moment of a recording that runs.
 * Which one: that of --pid; else the one whose program this shell was started by; else the only one
 * of this user. The mark stands behind everything that the program had done before the command was
 * typed. Not here: marks that a program sets itself (preload/mark.c). */
#ifndef RECORDER_COLLECTOR_MARK_H
#define RECORDER_COLLECTOR_MARK_H

/* argv[0] is the word "mark". Prints, and returns the exit status: 0 when the mark stands in the
 * trace. */
int mark_run(int argc, char **argv);

#endif
