/* Replays a made trace for a test and looks into the result.
 * Not here: making traces (maker.h). */
#ifndef TESTS_PLAYER_H
#define TESTS_PLAYER_H

#include "replay/replay.h"
#include "tests/unit/replay/maker.h"

struct player {
    struct reader reader;
    struct replay replay;
    struct err err;
    int fd;
};

static inline struct replay_options player_peak(void)
{
    return (struct replay_options){.moment = {.kind = MOMENT_PEAK, .window = window_all()},
                                   .temporary_threshold = 1};
}

/* Opens and replays; the maker's bytes may be changed before. */
static inline struct player *player_run(const struct maker *m, const struct replay_options *options)
{
    struct player *p = calloc(1, sizeof *p);
    maker_must(p, "out of memory");
    p->fd = maker_open(m);
    maker_must(!reader_open(&p->reader, p->fd, "test", &p->err), p->err.text);
    maker_must(!replay_init(&p->replay, options), "replay_init");
    maker_must(!replay_run(&p->replay, &p->reader, 0, 0, &p->err), p->err.text);
    return p;
}

static inline void player_free(struct player *p)
{
    reader_close(&p->reader);
    replay_release(&p->replay);
    close(p->fd);
    free(p);
}

enum player_measure { PLAYER_THEN, PLAYER_LIVE, PLAYER_LEAK };

/* The sum over all sites of a stack (as the event named it). */
static inline struct site_values player_stack(const struct player *p, uint32_t stack,
                                              enum player_measure measure)
{
    const struct sites *s = &p->replay.sites;
    struct site_values sum = {0};
    for (uint32_t id = 1; id < s->count; id++) {
        if (s->items[id].event_stack != stack)
            continue;
        struct site_values v = measure == PLAYER_THEN   ? site_then(s, id)
                               : measure == PLAYER_LIVE ? site_live(s, id)
                                                        : site_leak(s, id);
        sum.bytes += v.bytes;
        sum.count += v.count;
        sum.resident_bytes += v.resident_bytes;
        sum.unsampled_bytes += v.unsampled_bytes;
    }
    return sum;
}

#endif
