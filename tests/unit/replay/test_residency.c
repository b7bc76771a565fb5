/* What is known of the touched part of big blocks, one rule a test. */
#include "tests/unit/replay/scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void test_residency__a_sample_after_the_peak_tells_what_the_block_had_touched(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s);
    uint64_t big = maker_alloc(&s.m, ALLOCATOR_MALLOC, s.a, 8 * MIB);
    uint64_t small = maker_alloc(&s.m, ALLOCATOR_MALLOC, s.a, 100);
    maker_free(&s.m, small);
    maker_resident_block(&s.m, big, 2 * MIB);
    maker_resident_block(&s.m, big, 3 * MIB);
    maker_resident_block(&s.m, big, 1 * MIB);
    struct player *p = scene_play(&s, 0);
    struct site_values then = player_stack(p, s.a, PLAYER_THEN);
    assert_int_equal(then.bytes, 8 * MIB + 100);
    assert_int_equal(then.resident_bytes, 3 * MIB + 100);
    assert_int_equal(then.unsampled_bytes, 0);
    player_free(p);
}

static void
test_residency__a_sample_of_a_block_born_after_the_peak_changes_nothing_there(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s);
    uint64_t first = maker_alloc(&s.m, ALLOCATOR_MALLOC, s.a, 8 * MIB);
    maker_free(&s.m, first);
    uint64_t second = maker_alloc(&s.m, ALLOCATOR_MALLOC, s.a, 4 * MIB);
    maker_resident_block(&s.m, second, 1 * MIB);
    struct player *p = scene_play(&s, 0);
    struct site_values then = player_stack(p, s.a, PLAYER_THEN);
    assert_int_equal(then.bytes, 8 * MIB);
    assert_int_equal(then.resident_bytes, 8 * MIB);
    assert_int_equal(then.unsampled_bytes, 8 * MIB);
    assert_int_equal(player_stack(p, s.a, PLAYER_LEAK).resident_bytes, 1 * MIB);
    player_free(p);
}

/* The block is being reallocated, in vain, while another thread makes the peak: it is not part of
 * it. */
static void
test_residency__a_block_in_a_failing_realloc_at_the_peak_is_not_corrected_there(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s);
    uint32_t other = maker_thread(&s.m, s.process, 12, "other");
    uint64_t big = maker_alloc(&s.m, ALLOCATOR_MALLOC, s.a, 4 * MIB);
    maker_free(&s.m, big);
    maker_on(&s.m, other);
    uint64_t peak = maker_alloc(&s.m, ALLOCATOR_MALLOC, s.b, 50 * MIB);
    maker_free(&s.m, peak);
    maker_on(&s.m, s.thread);
    maker_unfree(&s.m);
    maker_resident_block(&s.m, big, 1 * MIB);
    struct player *p = scene_play(&s, 0);
    assert_int_equal(p->replay.moment.bytes, 50 * MIB);
    assert_int_equal(player_stack(p, s.a, PLAYER_THEN).bytes, 0);
    assert_int_equal(sites_more(&p->replay.sites, 1)->then_gap_bytes, 0);
    player_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_residency__a_sample_after_the_peak_tells_what_the_block_had_touched),
        cmocka_unit_test(
            test_residency__a_sample_of_a_block_born_after_the_peak_changes_nothing_there),
        cmocka_unit_test(
            test_residency__a_block_in_a_failing_realloc_at_the_peak_is_not_corrected_there),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
