/* The shared file (ring.h) from the collector's side: made, mapped, handed over.
 * Not here: who gets it (serve.h). */
#ifndef RECORDER_COLLECTOR_SHARED_H
#define RECORDER_COLLECTOR_SHARED_H

#include "format/error.h"
#include "recorder/ring.h"

#include <stdbool.h>

struct shared {
    int fd;
    struct shm_control *control; /* the whole file is mapped, without memory until it is touched */
    uint32_t chunks;             /* that the file has: our own copy */
    uint64_t bytes;
    bool backed; /* it lies on a file system: memory for chunks is taken before they are used */
    _Atomic uint32_t turned_away; /* images that asked for a place and got none */
    char mark[64];                /* what /proc/PID/maps shows of the file: device and inode */
};

/* Makes the file: a memfd, or a nameless file in /dev/shm or /tmp where there is none; smaller
 * where RLIMIT_AS doesn't let the whole be mapped. Returns 0 or a negative error with err filled.
 */
int shared_make(struct shared *s, uint32_t flags, struct err *err);
/* Takes memory for a chunk that somebody is going to map. Returns false when there is none. Any
 * thread. */
bool shared_back_chunk(const struct shared *s, uint32_t chunk);
/* From here on a SIGBUS in the mapping (the file was cut) puts zeros there; for a process of its
 * own that has one such mapping. */
void shared_guard(const struct shared *s);
/* Unmaps and closes; also after a failed make. */
void shared_release(struct shared *s);

static inline struct ring *shared_ring(const struct shared *s, uint32_t index)
{
    char *chunk = (char *)s->control + chunk_offset(index / RING_CHUNK);
    return (struct ring *)chunk + index % RING_CHUNK;
}

#endif
