/* A small stage for tests: one process with one thread and two stacks, a the caller of b.
 * Not here: what is played on it. */
#ifndef TESTS_SCENE_H
#define TESTS_SCENE_H

#include "tests/unit/replay/player.h"

enum { MIB = 1 << 20, PAGE = 4096 };

struct scene {
    struct maker m;
    uint32_t process, thread, a, b;
};

static inline void scene_begin(struct scene *s)
{
    static const char *const command[] = {"python3", "job.py", 0};
    maker_init(&s->m, command, 10);
    s->process = maker_process(&s->m, 10, ID_NONE, PROCESS_ROOT, "3.12.1");
    s->thread = maker_thread(&s->m, s->process, 10, "main");
    s->a = maker_stack(&s->m, 0, maker_function(&s->m, "a", "a.py", 1), 5);
    s->b = maker_stack(&s->m, s->a, maker_function(&s->m, "b", "b.py", 1), 6);
    maker_on(&s->m, s->thread);
}

static inline struct player *scene_play(struct scene *s, const struct replay_options *options)
{
    struct replay_options peak = player_peak();
    maker_finish(&s->m, true);
    struct player *p = player_run(&s->m, options ? options : &peak);
    maker_release(&s->m);
    return p;
}

#endif
