/* Python's three allocator domains, wrapped by PyMem_SetAllocator (Include/cpython/pymem.h, 3.9
 * to 3.15). Not here: frames (walk.h). */
#ifndef RECORDER_PRELOAD_HOOKS_PYTHON_H
#define RECORDER_PRELOAD_HOOKS_PYTHON_H

#include "recorder/preload/process.h"

/* Wraps the domains raw, mem and obj where they are not wrapped by us now. Call before the runtime
 * starts, and again once it has (it overwrites allocators where PYTHONMALLOC or -X dev ask for
 * others). No Python call that could allocate; the caller is inside our own code. Returns how many
 * were wrapped. */
HIDDEN unsigned python_wrap_allocators(void);

#endif
