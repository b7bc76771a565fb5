/* The thread that answers new images, and `memrec mark` (rendezvous.h).
 * Why a thread: whoever asks waits, and the draining thread may be asleep or busy. What it knows of
 * a new image, its pid and serial included, it leaves in a table of its own, under a lock: what
 * stands in the shared slot anybody may have written. Not here: following processes (processes.h).
 */
#ifndef RECORDER_COLLECTOR_SERVE_H
#define RECORDER_COLLECTOR_SERVE_H

#include "recorder/collector/pending.h"
#include "recorder/collector/proc.h"
#include "recorder/collector/shared.h"
#include "recorder/rendezvous.h"

#define ANCESTOR_STEPS 32

/* What an image said when it asked to be recorded, and what /proc told of it then: it waited for
 * the answer, while by the time its slot is seen it may have ended. */
struct introduction {
    uint32_t pid, serial;
    uint32_t flags; /* enum shm_flag for it */
    uint32_t verdict;
    char text[256];
    uint32_t ancestors[ANCESTOR_STEPS]; /* pids, its parent's first, up to a 0 */
};

struct serve;

/* listener: a bound and listening socket, owned from here on. control: borrowed descriptor of the
 * launcher's pair, for CONTROL_REFUSED. pending: where marks go, borrowed; NULL: none are taken.
 * Returns 0 or a negative error with err filled. */
int serve_start(struct serve **s, struct shared *shared, int listener, int control,
                struct pending *pending, struct err *err);
/* Ends the thread, closes the socket, frees s. */
void serve_stop(struct serve *s);

/* The program's pid, once it is known; before, nobody is refused or recorded as root. */
void serve_set_root(struct serve *s, uint32_t pid);

/* Notes that a slot goes to a new image; before the slot says that it is live. image: owned. Any
 * thread. */
void serve_introduce(struct serve *s, uint32_t slot, const struct introduction *intro,
                     struct proc_image image);
/* What the image that a slot was given to said, and what it runs (the caller's from here on): once.
 * Returns false when nobody was given it: then a forked child has taken it, or says so. */
bool serve_take(struct serve *s, uint32_t slot, struct introduction *intro,
                struct proc_image *image);

#endif
