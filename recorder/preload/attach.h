/* Joining a recording: the library's constructor, and the questions to the collector
 * (rendezvous.h). Not here: what is done afterwards (hooks_*.c). */
#ifndef RECORDER_PRELOAD_ATTACH_H
#define RECORDER_PRELOAD_ATTACH_H

#include <stdbool.h>
#include <stdint.h>

#include "recorder/preload/process.h"

/* Maps another chunk of rings; asks the collector for the file's descriptor, at most 2 s, and
 * closes it again. Where nobody answers, no thread of the process asks again. Returns false: not to
 * be had. One thread at a time. */
HIDDEN bool attach_chunk(uint32_t chunk);

#endif
