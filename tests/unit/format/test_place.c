/* What is expected of an allocator, told by hand. */
#include "format/place.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static struct places p;

static void test_place__sizes_of_sixteen_bytes_are_one_class(void **state)
{
    (void)state;
    assert_int_equal(place_class(0), 0);
    assert_int_equal(place_class(1), place_class(16));
    assert_int_equal(place_class(16) + 1, place_class(17));
    assert_int_equal(place_class(2560), 160);
    assert_true(place_class(2561) > 160);
    assert_int_equal(place_class(2561), place_class(4095));
    assert_int_equal(place_class(4095) + 1, place_class(4096));
    assert_true(place_class(UINT64_MAX) < PLACE_CLASSES);
}

static void test_place__blocks_are_expected_behind_each_other_by_class(void **state)
{
    (void)state;
    places_reset(&p);
    for (uint64_t i = 0; i < 100; i++) {
        assert_true(i < 2 || places_expected(&p, 3) == 0x40000 + 48 * i);
        assert_true(i < 2 || places_expected(&p, 4) == 0x80000 + 64 * i);
        places_allocated(&p, 3, 0x40000 + 48 * i);
        places_allocated(&p, 4, 0x80000 + 64 * i);
    }
    places_allocated(&p, 3, 0x900000); /* elsewhere: the step stays */
    assert_true(places_expected(&p, 3) == 0x900000 + 48);
}

static void test_place__what_was_freed_last_is_expected_first(void **state)
{
    (void)state;
    places_reset(&p);
    for (uint64_t i = 0; i < 40; i++)
        places_allocated(&p, 2, 0x40000 + 32 * i);
    for (uint64_t i = 0; i < PLACE_FREED; i++)
        places_freed(&p, 0x40000 + 32 * i);
    for (uint64_t i = PLACE_FREED; i-- > 2;) {
        assert_true(places_expected(&p, 2) == 0x40000 + 32 * i);
        places_allocated(&p, 2, 0x40000 + 32 * i);
    }
    places_allocated(&p, 2, 0x50000); /* passed over: the two others are forgotten */
    assert_true(places_expected(&p, 2) == 0x50000 + 32);
}

static void test_place__a_free_counts_for_the_class_that_owns_its_page(void **state)
{
    (void)state;
    places_reset(&p);
    places_allocated(&p, 2, 0x40000);
    places_allocated(&p, 5, 0x44000);
    places_freed(&p, 0x44020);
    places_freed(&p, 0x99000000); /* nobody's */
    assert_true(places_expected(&p, 2) == 0x40000);
    assert_true(places_expected(&p, 5) == 0x44020);
}

static void test_place__the_newest_are_found_while_they_are_new(void **state)
{
    (void)state;
    places_reset(&p);
    assert_int_equal(places_newest(&p, 0), PLACE_NEWEST);
    assert_false(places_has_newest(&p, 0));
    for (uint64_t i = 0; i < 10; i++)
        places_allocated(&p, 2, 0x40000 + 32 * i);
    assert_int_equal(places_newest(&p, 0x40000 + 32 * 9), 0);
    assert_int_equal(places_newest(&p, 0x40000), 9);
    assert_true(places_at(&p, 9) == 0x40000 && places_has_newest(&p, 9));
    assert_false(places_has_newest(&p, 10));
    for (uint64_t i = 10; i < 10 + PLACE_NEWEST; i++)
        places_allocated(&p, 2, 0x40000 + 32 * i);
    assert_int_equal(places_newest(&p, 0x40000), PLACE_NEWEST);
    assert_false(places_has_newest(&p, PLACE_NEWEST));
}

static void test_place__near_is_the_same_page(void **state)
{
    (void)state;
    places_reset(&p);
    assert_false(places_near(&p, 0));
    places_use(&p, 0x40010);
    assert_true(places_near(&p, 0x43FFF));
    assert_false(places_near(&p, 0x44000));
    assert_false(places_near(&p, 0x40010 + (PLACE_PAGES << PLACE_PAGE_BITS))); /* its slot */
}

static void test_place__nothing_is_known_after_a_reset(void **state)
{
    (void)state;
    static const struct places none;
    places_allocated(&p, 2, 0x40000);
    places_reset(&p);
    assert_memory_equal(&p, &none, sizeof p);
    places_use(&p, 7);
    places_reset(&p);
    assert_memory_equal(&p, &none, sizeof p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_place__sizes_of_sixteen_bytes_are_one_class),
        cmocka_unit_test(test_place__blocks_are_expected_behind_each_other_by_class),
        cmocka_unit_test(test_place__what_was_freed_last_is_expected_first),
        cmocka_unit_test(test_place__a_free_counts_for_the_class_that_owns_its_page),
        cmocka_unit_test(test_place__the_newest_are_found_while_they_are_new),
        cmocka_unit_test(test_place__near_is_the_same_page),
        cmocka_unit_test(test_place__nothing_is_known_after_a_reset),
    };
    return cmocka_run_group_tests_name("place", tests, NULL, NULL);
}
