/* What mappings count, one rule a test, with sums done by hand. */
#include "tests/unit/replay/scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void test_mappings__a_mapping_over_another_counts_once(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s);
    maker_map(&s.m, 0x10000, 16 * PAGE, MAP_KIND_ANONYMOUS, s.a);
    maker_map(&s.m, 0x10000 + 4 * PAGE, 4 * PAGE, MAP_KIND_ANONYMOUS, s.b);
    struct player *p = scene_play(&s, 0);
    assert_int_equal(p->replay.moment.bytes, 16 * PAGE);
    assert_int_equal(player_stack(p, s.a, PLAYER_THEN).bytes, 16 * PAGE);
    assert_int_equal(player_stack(p, s.a, PLAYER_LEAK).bytes, 12 * PAGE);
    assert_int_equal(player_stack(p, s.b, PLAYER_LEAK).bytes, 4 * PAGE);
    player_free(p);
}

static void test_mappings__files_shared_memory_and_arenas_stand_beside_the_sum(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s);
    maker_map(&s.m, 0x100000, 10 * PAGE, MAP_KIND_FILE, s.a);
    maker_map(&s.m, 0x200000, 20 * PAGE, MAP_KIND_SHARED, s.a);
    maker_map(&s.m, 0x300000, 40 * PAGE, MAP_KIND_ARENA, s.a);
    maker_alloc(&s.m, ALLOCATOR_PY_OBJ_POOLED, s.b, 100);
    struct player *p = scene_play(&s, 0);
    struct sums then = process_then(&p->replay, model_process(&p->replay.model, s.process));
    assert_int_equal(p->replay.moment.bytes, 100);
    assert_int_equal(then.mapped_bytes, 10 * PAGE);
    assert_int_equal(then.shared_bytes, 20 * PAGE);
    assert_int_equal(then.arena_bytes, 40 * PAGE);
    player_free(p);
}

static void test_mappings__a_reservation_counts_what_is_resident_when_it_is_sampled(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s);
    maker_map(&s.m, 0x100000, 1024 * MIB, MAP_KIND_NORESERVE, s.a);
    maker_alloc(&s.m, ALLOCATOR_MALLOC, s.b, 10);
    maker_time(&s.m, 50);
    maker_resident_range(&s.m, s.process, 0x100000, 1024 * MIB, 80 * MIB);
    maker_time(&s.m, 60);
    maker_resident_range(&s.m, s.process, 0x100000, 1024 * MIB, 20 * MIB);
    struct player *p = scene_play(&s, 0);
    assert_int_equal(p->replay.moment.bytes, 80 * MIB + 10);
    assert_int_equal(p->replay.moment.time_ns, 50);
    assert_int_equal(player_stack(p, s.a, PLAYER_THEN).bytes, 80 * MIB);
    assert_int_equal(player_stack(p, s.a, PLAYER_THEN).unsampled_bytes, 0);
    assert_int_equal(player_stack(p, s.a, PLAYER_LEAK).bytes, 20 * MIB);
    player_free(p);
}

static void test_mappings__an_unsampled_reservation_counts_0_and_is_listed(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s);
    maker_map(&s.m, 0x100000, 64 * MIB, MAP_KIND_RESERVED, s.a);
    maker_alloc(&s.m, ALLOCATOR_MALLOC, s.b, 10);
    struct player *p = scene_play(&s, 0);
    assert_int_equal(p->replay.moment.bytes, 10);
    assert_int_equal(player_stack(p, s.a, PLAYER_THEN).unsampled_bytes, 64 * MIB);
    player_free(p);
}

static void test_mappings__a_mapping_made_after_the_peak_is_not_corrected_there(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s);
    maker_map(&s.m, 0x10000, 100 * PAGE, MAP_KIND_ANONYMOUS, s.a);
    maker_unmap(&s.m, 0x10000, 50 * PAGE);
    maker_map(&s.m, 0x200000, 40 * PAGE, MAP_KIND_ANONYMOUS, s.a);
    maker_resident_range(&s.m, s.process, 0x200000, 40 * PAGE, 10 * PAGE);
    struct player *p = scene_play(&s, 0);
    assert_int_equal(player_stack(p, s.a, PLAYER_THEN).resident_bytes, 100 * PAGE);
    assert_int_equal(player_stack(p, s.a, PLAYER_LEAK).resident_bytes, 60 * PAGE);
    player_free(p);
}

static void
test_mappings__a_sampled_mapping_keeps_its_largest_sample_also_for_the_peak(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s);
    maker_map(&s.m, 0x100000, 8 * MIB, MAP_KIND_ANONYMOUS, s.a);
    uint64_t small = maker_alloc(&s.m, ALLOCATOR_MALLOC, s.a, 100);
    maker_free(&s.m, small);
    maker_resident_range(&s.m, s.process, 0x100000, 8 * MIB, 2 * MIB);
    maker_resident_range(&s.m, s.process, 0x100000, 8 * MIB, 1 * MIB);
    struct player *p = scene_play(&s, 0);
    assert_int_equal(player_stack(p, s.a, PLAYER_THEN).resident_bytes, 2 * MIB + 100);
    assert_int_equal(player_stack(p, s.a, PLAYER_THEN).unsampled_bytes, 0);
    player_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mappings__a_mapping_over_another_counts_once),
        cmocka_unit_test(test_mappings__files_shared_memory_and_arenas_stand_beside_the_sum),
        cmocka_unit_test(test_mappings__a_reservation_counts_what_is_resident_when_it_is_sampled),
        cmocka_unit_test(test_mappings__an_unsampled_reservation_counts_0_and_is_listed),
        cmocka_unit_test(test_mappings__a_mapping_made_after_the_peak_is_not_corrected_there),
        cmocka_unit_test(
            test_mappings__a_sampled_mapping_keeps_its_largest_sample_also_for_the_peak),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
