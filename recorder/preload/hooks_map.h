/* Mappings: what the rest of the library may ask of their hooks.
 * Why there is anything: under PYTHONMALLOC or -X dev the runtime overwrites our allocators, and
 * maps its first arenas before we can wrap them again. Not here: the hooks themselves. */
#ifndef RECORDER_PRELOAD_HOOKS_MAP_H
#define RECORDER_PRELOAD_HOOKS_MAP_H

#include "recorder/preload/process.h"

/* The anonymous mappings made since the library joined were made by Python's allocators: from now
 * on they hold objects and don't count by themselves. Once, from the thread that starts the
 * runtime, inside our own code; does not walk. */
HIDDEN void map_early_are_arenas(void);

#endif
