/* Which allocator is compiled into a file at a place of its code: by the function that stands there
 * where the file has symbols of its own, else by sentences that the allocator can print. Why both:
 * a library may hold two allocators (pyarrow's does), and most files that people install are
 * stripped. The file is the recorded program's, so hostile: all is bounded. Not here: whose code it
 * is (hidden.h). */
#ifndef RECORDER_COLLECTOR_SIGNATURE_H
#define RECORDER_COLLECTOR_SIGNATURE_H

#include "format/event.h"

/* fd: of an ELF file, borrowed. offset: in the file, of an instruction in the function that maps.
 * Returns ALLOCATOR_IN_MIMALLOC, ALLOCATOR_IN_JEMALLOC, ALLOCATOR_IN_HIDDEN (one of both), or
 * ALLOCATOR_MMAP: none that is known. One thread at a time. */
enum allocator signature_of(int fd, uint64_t offset);

#endif
