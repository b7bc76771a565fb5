/* Marks that a program sets: their words, their place among events, and where none is set. */
#include "tests/unit/preload/scene.h"

#include <errno.h>

extern int memrec_mark(const char *name);

static void close_scene(struct stage *st, const char *expected)
{
    thread_self.busy = BUSY_HOOK;
    emit_close(&thread_self);
    merge_drain(st->merge);
    process_give_up(REASON_NONE);
    stage_tells(st, expected);
}

static void put_alloc(uint64_t bytes)
{
    thread_self.busy = BUSY_HOOK;
    emit2(&thread_self, RING_WORD(RING_ALLOC, ALLOCATOR_MALLOC, 0x1000 * bytes), bytes);
    thread_self.busy = BUSY_NO;
}

static void test_mark__stands_between_what_was_before_and_after(void **state)
{
    (void)state;
    struct stage *st = scene_open();
    put_alloc(1);
    errno = 77;
    assert_int_equal(memrec_mark("loaded"), 1);
    assert_int_equal(errno, 77);
    put_alloc(2);
    assert_int_equal(memrec_mark("exactly8"), 1);
    put_alloc(3);
    close_scene(st, "P0 +1 \"loaded\" +2 \"exactly8\" +3");
}

static void *mark_it(void *name)
{
    thread_self.busy = BUSY_NO;
    assert_int_equal(memrec_mark(name), 1);
    thread_self.busy = BUSY_HOOK;
    return NULL;
}

static void test_mark__takes_its_turn_among_threads(void **state)
{
    (void)state;
    struct stage *st = scene_open();
    pthread_t thread;
    put_alloc(1);
    thread_self.busy = BUSY_HOOK;
    pthread_create(&thread, NULL, mark_it, "first of its thread");
    pthread_join(thread, NULL);
    put_alloc(2);
    close_scene(st, "P0 +1 \"first of its thread\" +2");
}

static void test_mark__without_a_name_is_none(void **state)
{
    (void)state;
    struct stage *st = scene_open();
    thread_self.busy = BUSY_NO;
    assert_int_equal(memrec_mark(NULL), 0);
    assert_int_equal(memrec_mark(""), 0);
    put_alloc(1);
    close_scene(st, "P0 +1");
}

static void test_mark__long_names_end_with_a_whole_character(void **state)
{
    (void)state;
    struct stage *st = scene_open();
    char name[400] = "", expected[400];
    for (int i = 0; i < 150; i++)
        strcat(name, "\u00fc"); /* two bytes each: 255 would cut one */
    thread_self.busy = BUSY_NO;
    assert_int_equal(memrec_mark(name), 1);
    snprintf(expected, sizeof expected, "P0 \"%.254s\"", name);
    close_scene(st, expected);
}

/* A signal handler's mark, while the thread is in an allocator, in our own code, or neither. */
static void test_mark__is_set_wherever_our_own_code_is_not_at_work(void **state)
{
    (void)state;
    struct stage *st = scene_open();
    thread_self.busy = BUSY_ALLOCATOR;
    thread_self.nested = 0;
    assert_int_equal(memrec_mark("in malloc"), 1);
    assert_int_equal(thread_self.busy, BUSY_ALLOCATOR);
    assert_int_equal(thread_self.nested, 0);
    thread_self.busy = BUSY_HOOK;
    assert_int_equal(memrec_mark("in a hook"), 0);
    assert_int_equal(thread_self.busy, BUSY_HOOK);
    close_scene(st, "P0 \"in malloc\"");
}

static void test_mark__does_nothing_where_nothing_is_recorded(void **state)
{
    (void)state;
    struct stage *st = scene_open();
    thread_self.busy = BUSY_NO;
    process_give_up(REASON_NONE);
    assert_int_equal(memrec_mark("late"), 0);
    assert_int_equal(thread_self.busy, BUSY_NO);
    thread_self.busy = BUSY_HOOK;
    free(stage_close(st).text);
}

/* So many that the ring goes round: no name is torn at its edge. */
static void test_mark__goes_round_the_ring(void **state)
{
    (void)state;
    struct stage *st = scene_open();
    char name[MARK_NAME_BYTES + 1];
    memset(name, 'n', MARK_NAME_BYTES);
    name[MARK_NAME_BYTES] = 0;
    thread_self.busy = BUSY_NO;
    for (unsigned i = 0; i < 3 * RING_BYTES / 264; i++) {
        assert_int_equal(memrec_mark(name), 1);
        if (i % 1000 == 999)
            merge_drain(st->merge);
    }
    thread_self.busy = BUSY_HOOK;
    emit_close(&thread_self);
    merge_drain(st->merge);
    process_give_up(REASON_NONE);
    struct story s = stage_close(st);
    assert_int_equal(s.marks, 3 * RING_BYTES / 264);
    free(s.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mark__stands_between_what_was_before_and_after),
        cmocka_unit_test(test_mark__takes_its_turn_among_threads),
        cmocka_unit_test(test_mark__without_a_name_is_none),
        cmocka_unit_test(test_mark__long_names_end_with_a_whole_character),
        cmocka_unit_test(test_mark__is_set_wherever_our_own_code_is_not_at_work),
        cmocka_unit_test(test_mark__does_nothing_where_nothing_is_recorded),
        cmocka_unit_test(test_mark__goes_round_the_ring),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
