/* A short queue under a lock (pending.h). Why so short: a person types a mark. */
#include "recorder/collector/pending.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

void pending_init(struct pending *p)
{
    pthread_mutex_init(&p->lock, NULL);
    p->count = 0;
}

bool pending_put(struct pending *p, int peer, const char *name)
{
    pthread_mutex_lock(&p->lock);
    bool room = p->count < PENDING_LIMIT;
    if (room) {
        struct pending_mark *mark = &p->marks[p->count++];
        mark->peer = peer;
        snprintf(mark->name, sizeof mark->name, "%s", name);
    }
    pthread_mutex_unlock(&p->lock);
    return room;
}

unsigned pending_take(struct pending *p, struct pending_mark marks[PENDING_LIMIT])
{
    pthread_mutex_lock(&p->lock);
    unsigned count = p->count;
    memcpy(marks, p->marks, count * sizeof *marks);
    p->count = 0;
    pthread_mutex_unlock(&p->lock);
    return count;
}

void pending_release(struct pending *p)
{
    for (unsigned i = 0; i < p->count; i++)
        close(p->marks[i].peer);
    p->count = 0;
    pthread_mutex_destroy(&p->lock);
}
