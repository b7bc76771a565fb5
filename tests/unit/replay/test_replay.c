/* What counts, one rule a test, with sums done by hand. */
#include "tests/unit/replay/scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void test_replay__the_peak_is_the_earliest_of_equal_maxima(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s);
    maker_time(&s.m, 100);
    uint64_t first = maker_alloc(&s.m, ALLOCATOR_MALLOC, s.a, 1000);
    maker_time(&s.m, 200);
    maker_free(&s.m, first);
    maker_alloc(&s.m, ALLOCATOR_MALLOC, s.b, 1000);
    struct player *p = scene_play(&s, 0);
    assert_int_equal(p->replay.moment.bytes, 1000);
    assert_int_equal(p->replay.moment.time_ns, 100);
    assert_int_equal(player_stack(p, s.a, PLAYER_THEN).bytes, 1000);
    assert_int_equal(player_stack(p, s.b, PLAYER_THEN).bytes, 0);
    player_free(p);
}

static void test_replay__a_realloc_that_failed_changes_nothing(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s);
    uint64_t block = maker_alloc(&s.m, ALLOCATOR_MALLOC, s.a, 500);
    maker_free(&s.m, block);
    maker_unfree(&s.m);
    maker_alloc(&s.m, ALLOCATOR_MALLOC, s.b, 100);
    struct player *p = scene_play(&s, 0);
    assert_int_equal(p->replay.moment.bytes, 600);
    assert_int_equal(player_stack(p, s.a, PLAYER_LEAK).bytes, 500);
    assert_int_equal(p->replay.totals.frees - p->replay.totals.unfrees, 0);
    assert_int_equal(p->replay.totals.events, 3); /* taking back is none (FORMAT.md 4) */
    for (uint32_t id = 1; id < p->replay.sites.count; id++)
        assert_int_equal(site_temporary(&p->replay.sites, id).count, 0);
    player_free(p);
}

static void test_replay__a_second_unfree_does_nothing(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s);
    maker_free(&s.m, maker_alloc(&s.m, ALLOCATOR_MALLOC, s.a, 500));
    maker_unfree(&s.m);
    maker_unfree(&s.m);
    struct player *p = scene_play(&s, 0);
    assert_int_equal(player_stack(p, s.a, PLAYER_LEAK).count, 1);
    player_free(p);
}

static void test_replay__an_allocation_at_a_live_address_ends_the_old_one(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s);
    maker_alloc_at(&s.m, ALLOCATOR_MALLOC, s.a, 300, 0x5000);
    maker_alloc_at(&s.m, ALLOCATOR_MALLOC, s.b, 200, 0x5000);
    struct player *p = scene_play(&s, 0);
    assert_int_equal(p->replay.moment.bytes, 300);
    assert_int_equal(p->replay.totals.replaced, 1);
    assert_int_equal(player_stack(p, s.a, PLAYER_LEAK).bytes, 0);
    assert_int_equal(player_stack(p, s.b, PLAYER_LEAK).bytes, 200);
    player_free(p);
}

static void test_replay__unknown_frees_are_counted_and_ignored(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s);
    uint64_t block = maker_alloc(&s.m, ALLOCATOR_MALLOC, s.a, 300);
    maker_free_at(&s.m, 0x7000);
    maker_free(&s.m, block);
    maker_free(&s.m, block);
    struct player *p = scene_play(&s, 0);
    assert_int_equal(p->replay.totals.unknown_addresses, 1);
    assert_int_equal(p->replay.totals.unknown_frees, 1);
    assert_int_equal(p->replay.live_bytes, 0);
    player_free(p);
}

static void test_replay__the_tree_s_peak_is_simultaneous(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s);
    uint32_t child = maker_process(&s.m, 11, s.process, PROCESS_FORK, "3.12.1");
    uint32_t thread = maker_thread(&s.m, child, 11, "child");
    uint64_t big = maker_alloc(&s.m, ALLOCATOR_MALLOC, s.a, 1000);
    maker_free(&s.m, big);
    maker_alloc(&s.m, ALLOCATOR_MALLOC, s.a, 700);
    maker_on(&s.m, thread);
    maker_alloc(&s.m, ALLOCATOR_MALLOC, s.b, 800);
    struct player *p = scene_play(&s, 0);
    assert_int_equal(p->replay.moment.bytes, 1500);
    assert_int_equal(model_process(&p->replay.model, s.process)->peak_bytes, 1000);
    assert_int_equal(
        process_then(&p->replay, model_process(&p->replay.model, s.process)).live_bytes, 700);
    assert_int_equal(process_then(&p->replay, model_process(&p->replay.model, child)).live_bytes,
                     800);
    player_free(p);
}

static void test_replay__an_ended_process_leaves_the_sum_and_leaks(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s);
    uint32_t child = maker_process(&s.m, 11, s.process, PROCESS_FORK, "3.12.1");
    uint32_t thread = maker_thread(&s.m, child, 11, "child");
    maker_on(&s.m, thread);
    maker_alloc(&s.m, ALLOCATOR_MALLOC, s.b, 800);
    maker_process_end(&s.m, child, PROCESS_EXITED, 0);
    maker_on(&s.m, s.thread);
    maker_alloc(&s.m, ALLOCATOR_MALLOC, s.a, 500);
    struct player *p = scene_play(&s, 0);
    assert_int_equal(p->replay.moment.bytes, 800);
    assert_int_equal(p->replay.live_bytes, 500);
    assert_int_equal(player_stack(p, s.b, PLAYER_LEAK).bytes, 800);
    assert_int_equal(player_stack(p, s.b, PLAYER_LIVE).bytes, 0);
    player_free(p);
}

static void test_replay__an_exec_d_image_leaks_nothing(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s);
    maker_alloc(&s.m, ALLOCATOR_MALLOC, s.a, 500);
    maker_process_end(&s.m, s.process, PROCESS_EXECED, -1);
    struct player *p = scene_play(&s, 0);
    assert_int_equal(p->replay.live_bytes, 0);
    assert_int_equal(player_stack(p, s.a, PLAYER_LEAK).bytes, 0);
    player_free(p);
}

static void test_replay__events_after_a_process_s_end_are_counted_and_ignored(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s);
    uint64_t block = maker_alloc(&s.m, ALLOCATOR_MALLOC, s.a, 500);
    maker_process_end(&s.m, s.process, PROCESS_EXITED, 0);
    maker_free(&s.m, block);
    maker_alloc(&s.m, ALLOCATOR_MALLOC, s.a, 900);
    struct player *p = scene_play(&s, 0);
    assert_int_equal(p->replay.totals.late, 2);
    assert_int_equal(p->replay.moment.bytes, 500);
    assert_int_equal(player_stack(p, s.a, PLAYER_LEAK).bytes, 500);
    player_free(p);
}

static void test_replay__the_end_is_the_moment_before_the_root_ends(void **state)
{
    (void)state;
    struct replay_options options = player_peak();
    struct scene s;
    options.moment.kind = MOMENT_END;
    scene_begin(&s);
    maker_free(&s.m, maker_alloc(&s.m, ALLOCATOR_MALLOC, s.a, 900));
    maker_alloc(&s.m, ALLOCATOR_MALLOC, s.b, 100);
    maker_time(&s.m, 70);
    maker_process_end(&s.m, s.process, PROCESS_EXITED, 0);
    maker_time(&s.m, 80);
    struct player *p = scene_play(&s, &options);
    assert_int_equal(p->replay.moment.bytes, 100);
    assert_int_equal(p->replay.moment.time_ns, 70);
    assert_int_equal(player_stack(p, s.b, PLAYER_THEN).bytes, 100);
    player_free(p);
}

static void test_replay__a_mark_is_a_moment(void **state)
{
    (void)state;
    struct replay_options options = player_peak();
    struct scene s;
    options.moment.kind = MOMENT_MARK;
    options.moment.mark = "loaded";
    scene_begin(&s);
    uint64_t block = maker_alloc(&s.m, ALLOCATOR_MALLOC, s.a, 900);
    maker_mark(&s.m, "load");
    maker_free(&s.m, block);
    maker_alloc(&s.m, ALLOCATOR_MALLOC, s.b, 100);
    maker_mark(&s.m, "loaded");
    maker_alloc(&s.m, ALLOCATOR_MALLOC, s.b, 50);
    maker_mark(&s.m, "loaded");
    struct player *p = scene_play(&s, &options);
    assert_int_equal(p->replay.moment.bytes, 100);
    player_free(p);
}

static void test_replay__a_c_thread_s_memory_belongs_to_the_stack_that_made_it(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s);
    struct record r = {.type = RECORD_THREAD};
    r.thread.process = s.process;
    r.thread.tid = 77;
    r.thread.origin_stack = s.b;
    maker_on(&s.m, maker_record(&s.m, &r));
    maker_alloc(&s.m, ALLOCATOR_MALLOC, STACK_EMPTY, 64);
    struct player *p = scene_play(&s, 0);
    assert_int_equal(site_stack(&p->replay.sites, 1), s.b);
    player_free(p);
}

static void test_replay__temporary_is_freed_within_n_allocations_of_its_own_thread(void **state)
{
    (void)state;
    for (uint64_t threshold = 1; threshold <= 3; threshold++) {
        struct replay_options options = player_peak();
        struct scene s;
        options.temporary_threshold = threshold;
        scene_begin(&s);
        uint32_t other = maker_thread(&s.m, s.process, 12, "other");
        uint64_t block = maker_alloc(&s.m, ALLOCATOR_MALLOC, s.a, 10);
        maker_alloc(&s.m, ALLOCATOR_MALLOC, s.b, 1); /* one further allocation */
        maker_on(&s.m, other);
        maker_alloc(&s.m, ALLOCATOR_MALLOC, s.b, 1); /* another thread's does not count */
        maker_on(&s.m, s.thread);
        maker_free(&s.m, block);
        struct player *p = scene_play(&s, &options);
        assert_int_equal(site_temporary(&p->replay.sites, 1).count, threshold >= 2);
        player_free(p);
    }
}

static void test_replay__rss_is_the_last_sample_before_the_peak(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s);
    maker_rss(&s.m, s.process, 5 * MIB);
    uint64_t block = maker_alloc(&s.m, ALLOCATOR_MALLOC, s.a, 1000);
    maker_rss(&s.m, s.process, 6 * MIB);
    maker_free(&s.m, block);
    struct player *p = scene_play(&s, 0);
    assert_int_equal(process_then(&p->replay, model_process(&p->replay.model, s.process)).rss_bytes,
                     5 * MIB);
    player_free(p);
}

static void test_replay__impossible_sizes_count_as_nothing(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s);
    maker_alloc(&s.m, ALLOCATOR_MALLOC, s.a, 1ull << 62);
    maker_alloc(&s.m, ALLOCATOR_MALLOC, s.a, 1ull << 62);
    maker_alloc(&s.m, ALLOCATOR_MALLOC, s.a, 7);
    struct player *p = scene_play(&s, 0);
    assert_int_equal(p->replay.moment.bytes, 7);
    assert_int_equal(p->replay.totals.impossible, 2);
    player_free(p);
}

static void test_replay__many_ended_processes_do_not_pile_up(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s);
    for (uint32_t i = 0; i < 20; i++) {
        uint32_t child = maker_process(&s.m, 100 + i, s.process, PROCESS_FORK, "");
        maker_on(&s.m, maker_thread(&s.m, child, 100 + i, ""));
        for (int k = 0; k < 5000; k++)
            maker_alloc(&s.m, ALLOCATOR_MALLOC, s.a, 10);
        maker_process_end(&s.m, child, PROCESS_EXITED, 0);
    }
    struct player *p = scene_play(&s, 0);
    assert_true(live_count(&p->replay.blocks) <= 10000);
    assert_int_equal(p->replay.moment.bytes, 50000);
    assert_int_equal(player_stack(p, s.a, PLAYER_LEAK).bytes, 20 * 50000);
    player_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replay__the_peak_is_the_earliest_of_equal_maxima),
        cmocka_unit_test(test_replay__a_realloc_that_failed_changes_nothing),
        cmocka_unit_test(test_replay__a_second_unfree_does_nothing),
        cmocka_unit_test(test_replay__an_allocation_at_a_live_address_ends_the_old_one),
        cmocka_unit_test(test_replay__unknown_frees_are_counted_and_ignored),
        cmocka_unit_test(test_replay__the_tree_s_peak_is_simultaneous),
        cmocka_unit_test(test_replay__an_ended_process_leaves_the_sum_and_leaks),
        cmocka_unit_test(test_replay__an_exec_d_image_leaks_nothing),
        cmocka_unit_test(test_replay__events_after_a_process_s_end_are_counted_and_ignored),
        cmocka_unit_test(test_replay__the_end_is_the_moment_before_the_root_ends),
        cmocka_unit_test(test_replay__a_mark_is_a_moment),
        cmocka_unit_test(test_replay__a_c_thread_s_memory_belongs_to_the_stack_that_made_it),
        cmocka_unit_test(test_replay__temporary_is_freed_within_n_allocations_of_its_own_thread),
        cmocka_unit_test(test_replay__rss_is_the_last_sample_before_the_peak),
        cmocka_unit_test(test_replay__impossible_sizes_count_as_nothing),
        cmocka_unit_test(test_replay__many_ended_processes_do_not_pile_up),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
