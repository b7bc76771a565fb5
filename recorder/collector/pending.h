/* Marks that shells asked for, on their way from the serving thread to the draining one.
 * Why the asker's connection travels along: the answer comes when the mark stands in the trace, and
 * meanwhile nobody waits who has other things to do. Invariants: a connection is owned by exactly
 * one side, closed once. Not here: asking (mark.h). Thread-safe. */
#ifndef RECORDER_COLLECTOR_PENDING_H
#define RECORDER_COLLECTOR_PENDING_H

#include "recorder/rendezvous.h"
#include <pthread.h>
#include <stdbool.h>

#define PENDING_LIMIT 16

struct pending_mark {
    int peer; /* where the answer goes */
    char name[RENDEZVOUS_TEXT_BYTES];
};

struct pending {
    pthread_mutex_t lock;
    struct pending_mark marks[PENDING_LIMIT];
    unsigned count;
};

/* Prepares an empty queue. */
void pending_init(struct pending *p);
/* Queues one. Returns false when too many wait: the connection stays the caller's. */
bool pending_put(struct pending *p, int peer, const char *name);
/* Takes all, oldest first; returns how many. The connections are the caller's. */
unsigned pending_take(struct pending *p, struct pending_mark marks[PENDING_LIMIT]);
/* Closes what is left unanswered. */
void pending_release(struct pending *p);

#endif
