/* Can native frames be recorded here, and if not, why: asked before anything is started, so that
 * the program's owner hears of it. Not here: reading them (recorder/preload/unwind.h), which finds
 * out for itself. */
#ifndef RECORDER_COLLECTOR_UNWINDER_H
#define RECORDER_COLLECTOR_UNWINDER_H

/* What is in the way of native frames and how to get rid of it, in words that follow a colon; NULL
 * where nothing is. The text is static. One thread. */
const char *unwinder_hindrance(void);

#endif
