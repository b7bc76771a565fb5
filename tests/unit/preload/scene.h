/* This process as a recorded one, with the collector's memory in it: the library's writing half
 * and, if wanted, the collector's reading half (tests/unit/collector/stage.h) on two sides of one
 * shared file. Not here: hooks; a test calls emit itself. */
#ifndef TESTS_UNIT_PRELOAD_SCENE_H
#define TESTS_UNIT_PRELOAD_SCENE_H

#include "recorder/preload/emit.h"
#include "tests/unit/collector/stage.h"

static void scene_thread_ends(void *unused)
{
    (void)unused;
    emit_close(&thread_self);
}

static inline struct stage *scene_open(void)
{
    struct stage *st = stage_open();
    static pthread_key_t key;
    static bool made;
    if (!made)
        assert_int_equal(pthread_key_create(&key, scene_thread_ends), 0);
    made = true;
    memset(&process, 0, sizeof process);
    memset(&thread_self, 0, sizeof thread_self);
    thread_self.busy = BUSY_HOOK; /* what the collector maps for itself is no event of ours */
    process.key = key;
    process.serial = stage_process(st, 0, getpid());
    process.control = st->shared.control;
    process.control->header.collector_pid = (uint32_t)getpid();
    process.slot = &process.control->slots[0];
    process.pid = (uint32_t)getpid();
    process.chunks[0] = shared_ring(&st->shared, 0);
    assert_true(process_open());
    return st;
}

#endif
