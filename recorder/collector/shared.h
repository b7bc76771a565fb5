/* The shared file (ring.h) from the collector's side: made, mapped, handed over.
 * Not here: who gets it (serve.h). */
#ifndef RECORDER_COLLECTOR_SHARED_H
#define RECORDER_COLLECTOR_SHARED_H

#include "format/error.h"
#include "recorder/ring.h"

struct shared {
    int fd;
    struct shm_control *control; /* the whole file is mapped, without memory until it is touched */
};

/* Makes the file: a memfd, or a nameless file in /dev/shm or /tmp where there is none. Returns 0 or a negative error with err filled. */
int shared_make(struct shared *s, uint32_t flags, struct err *err);
void shared_release(struct shared *s);

static inline struct ring *shared_ring(const struct shared *s, uint32_t index)
{
    char *chunk = (char *)s->control + chunk_offset(index / RING_CHUNK);
    return (struct ring *)chunk + index % RING_CHUNK;
}

#endif
