/* A bounded ring of batches under one lock (feed.h). Why each side waits for half of the ring: two
 * threads that wake each other for every batch would do little else. */
#include "replay/feed.h"

#include <sched.h>

static bool two_processors(void)
{
    cpu_set_t set;
    return !sched_getaffinity(0, sizeof set, &set) && CPU_COUNT(&set) > 1;
}

/* An unused batch, or NULL when the feed is closed. */
static struct batch *wait_for_room(struct feed *f)
{
    pthread_mutex_lock(&f->lock);
    if (f->filled - f->taken == FEED_BATCHES)
        while (f->filled - f->taken > FEED_BATCHES / 2 && !f->stopped)
            pthread_cond_wait(&f->moved, &f->lock);
    struct batch *batch = f->stopped ? 0 : &f->batches[f->filled % FEED_BATCHES];
    pthread_mutex_unlock(&f->lock);
    return batch;
}

static void hand_over(struct feed *f, int rc, const struct err *err)
{
    pthread_mutex_lock(&f->lock);
    if (rc > 0) {
        f->filled++;
    } else {
        f->end = rc;
        f->err = *err;
    }
    if (rc <= 0 || f->filled - f->taken >= FEED_BATCHES / 2)
        pthread_cond_signal(&f->moved);
    pthread_mutex_unlock(&f->lock);
}

static void *read_ahead(void *context)
{
    struct feed *f = context;
    struct batch *batch;
    int rc = 1;
    while (rc > 0 && (batch = wait_for_room(f))) {
        struct err err = {0};
        rc = reader_read(f->reader, batch, &err);
        hand_over(f, rc, &err);
    }
    return 0;
}

int feed_open(struct feed *f, struct reader *reader, enum feed_mode mode, int batch_events)
{
    *f = (struct feed){.reader = reader, .end = 1};
    pthread_mutex_init(&f->lock, 0);
    pthread_cond_init(&f->moved, 0);
    bool ahead = mode == FEED_AHEAD || (mode == FEED_AUTO && two_processors());
    for (unsigned i = 0; i < (ahead ? FEED_BATCHES : 1); i++)
        if (batch_init(&f->batches[i], batch_events ? batch_events : BATCH_EVENTS))
            return -ERR_NOMEM;
    f->ahead = ahead && !pthread_create(&f->thread, 0, read_ahead, f);
    return 0;
}

/* Gives the last batch back and waits for the next. */
static int take(struct feed *f, const struct batch **batch, struct err *err)
{
    pthread_mutex_lock(&f->lock);
    f->taken += f->held;
    if (f->filled - f->taken == FEED_BATCHES / 2)
        pthread_cond_signal(&f->moved);
    if (f->filled == f->taken)
        while (f->filled - f->taken < FEED_BATCHES / 2 && f->end > 0)
            pthread_cond_wait(&f->moved, &f->lock);
    f->held = f->filled != f->taken;
    *batch = &f->batches[f->taken % FEED_BATCHES];
    int rc = f->held ? 1 : f->end;
    if (rc < 0)
        *err = f->err;
    pthread_mutex_unlock(&f->lock);
    return rc;
}

int feed_next(struct feed *f, const struct batch **batch, struct err *err)
{
    if (f->ahead)
        return take(f, batch, err);
    *batch = &f->batches[0];
    return reader_read(f->reader, &f->batches[0], err);
}

void feed_close(struct feed *f)
{
    if (f->ahead) {
        pthread_mutex_lock(&f->lock);
        f->stopped = true;
        pthread_cond_signal(&f->moved);
        pthread_mutex_unlock(&f->lock);
        pthread_join(f->thread, 0);
    }
    for (unsigned i = 0; i < FEED_BATCHES; i++)
        batch_release(&f->batches[i]);
    pthread_mutex_destroy(&f->lock);
    pthread_cond_destroy(&f->moved);
}
