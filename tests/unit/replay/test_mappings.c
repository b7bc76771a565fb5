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

static void test_mappings__pages_that_are_discarded_count_no_more(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s);
    maker_map(&s.m, 0x100000, 64 * MIB, MAP_KIND_NORESERVE, s.a);
    maker_resident_range(&s.m, s.process, 0x100000, 64 * MIB, 48 * MIB);
    maker_discard(&s.m, 0x100000, 64 * MIB);
    maker_alloc(&s.m, ALLOCATOR_MALLOC, s.b, 10);
    struct player *p = scene_play(&s, 0);
    assert_int_equal(p->replay.moment.bytes, 48 * MIB);
    assert_int_equal(player_stack(p, s.a, PLAYER_LEAK).bytes, 0);
    assert_int_equal(player_stack(p, s.b, PLAYER_LEAK).bytes, 10);
    player_free(p);
}

/* What was known to be untouched of a mapping goes with it. */
static void test_mappings__a_new_mapping_begins_as_if_all_were_touched(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s);
    maker_map(&s.m, 0x100000, 4 * MIB, MAP_KIND_ANONYMOUS, s.a);
    maker_resident_range(&s.m, s.process, 0x100000, 4 * MIB, MIB);
    maker_unmap(&s.m, 0x100000, 4 * MIB);
    maker_map(&s.m, 0x900000, 4 * MIB, MAP_KIND_ANONYMOUS, s.a);
    struct player *p = scene_play(&s, 0);
    assert_int_equal(player_stack(p, s.a, PLAYER_LEAK).bytes, 4 * MIB);
    assert_int_equal(player_stack(p, s.a, PLAYER_LEAK).resident_bytes, 4 * MIB);
    assert_int_equal(player_stack(p, s.a, PLAYER_LEAK).unsampled_bytes, 4 * MIB);
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

/* The sum of a stack's totals. */
static struct site_total total_of(const struct player *p, uint32_t stack)
{
    struct site_total sum = {0};
    for (uint32_t id = 1; id < p->replay.sites.count; id++) {
        if (p->replay.sites.items[id].event_stack != stack)
            continue;
        sum.bytes += site_total(&p->replay.sites, id).bytes;
        sum.count += site_total(&p->replay.sites, id).count;
    }
    return sum;
}

static struct player *play_totals(struct scene *s)
{
    struct replay_options options = player_peak();
    options.totals = true;
    return scene_play(s, &options);
}

static void test_mappings__cut_or_moved_pieces_are_allocated_once(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s);
    maker_map(&s.m, 0x100000, 16 * PAGE, MAP_KIND_ANONYMOUS, s.a);
    maker_unmap(&s.m, 0x100000 + 4 * PAGE, PAGE);
    maker_map(&s.m, 0x100000 + 8 * PAGE, 2 * PAGE, MAP_KIND_ANONYMOUS, s.a);
    maker_map(&s.m, 0x300000, 10 * PAGE, MAP_KIND_ANONYMOUS, s.a);
    maker_remap(&s.m, 0x300000, 10 * PAGE, 0x400000, 15 * PAGE, s.b);
    struct player *p = play_totals(&s);
    assert_int_equal(total_of(p, s.a).bytes, 28 * PAGE);
    assert_int_equal(total_of(p, s.a).count, 3);
    assert_int_equal(total_of(p, s.b).bytes, 5 * PAGE);
    assert_int_equal(total_of(p, s.b).count, 1);
    player_free(p);
}

static void test_mappings__pages_that_come_into_a_reservation_are_allocated(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s);
    maker_map(&s.m, 0x100000, 1024 * MIB, MAP_KIND_NORESERVE, s.a);
    maker_resident_range(&s.m, s.process, 0x100000, 1024 * MIB, 80 * MIB);
    maker_resident_range(&s.m, s.process, 0x100000, 1024 * MIB, 20 * MIB);
    maker_resident_range(&s.m, s.process, 0x100000, 1024 * MIB, 50 * MIB);
    maker_map(&s.m, 0x90000000, 4 * PAGE, MAP_KIND_FILE, s.b);
    struct player *p = play_totals(&s);
    assert_int_equal(total_of(p, s.a).bytes, 110 * MIB);
    assert_int_equal(total_of(p, s.a).count, 1);
    assert_int_equal(total_of(p, s.b).bytes, 0);
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
        cmocka_unit_test(test_mappings__pages_that_are_discarded_count_no_more),
        cmocka_unit_test(test_mappings__a_new_mapping_begins_as_if_all_were_touched),
        cmocka_unit_test(test_mappings__cut_or_moved_pieces_are_allocated_once),
        cmocka_unit_test(test_mappings__pages_that_come_into_a_reservation_are_allocated),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
