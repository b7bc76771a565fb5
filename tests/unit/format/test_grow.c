/* Arrays that grow by doubling: what stands in them stays, and what is reached is zero. */
#include "format/grow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void test_grow__one_more_doubles_and_keeps(void **state)
{
    (void)state;
    uint64_t *items = NULL;
    uint32_t capacity = 0;
    for (uint32_t i = 0; i < 100; i++) {
        if (i == capacity)
            assert_true(GROW(items, capacity, 5));
        items[i] = i * 3;
    }
    assert_int_equal(capacity, 160);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(items[i], i * 3);
    free(items);
}

static void test_grow__what_is_reached_is_zero_and_the_rest_stays(void **state)
{
    (void)state;
    static const uint32_t reached[] = {0, 4, 5, 39, 1000};
    static const uint32_t capacities[] = {5, 5, 10, 40, 1280};
    uint64_t *items = NULL;
    uint32_t capacity = 0, filled = 0;
    for (unsigned i = 0; i < sizeof reached / sizeof *reached; i++) {
        if (reached[i] >= capacity)
            assert_true(GROW_TO(items, capacity, reached[i], 5));
        assert_int_equal(capacity, capacities[i]);
        for (uint32_t at = 0; at < capacity; at++)
            assert_int_equal(items[at], at < filled ? UINT64_MAX - at : 0);
        for (; filled < capacity; filled++)
            items[filled] = UINT64_MAX - filled;
    }
    free(items);
}

static void test_grow__a_type_that_holds_no_more_is_refused(void **state)
{
    (void)state;
    char *items = NULL;
    uint8_t capacity = 0;
    assert_true(GROW_TO(items, capacity, 100, 64));
    assert_int_equal(capacity, 128);
    assert_false(GROW_TO(items, capacity, 200, 64));
    assert_false(GROW(items, capacity, 64));
    assert_int_equal(capacity, 128);
    free(items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grow__one_more_doubles_and_keeps),
        cmocka_unit_test(test_grow__what_is_reached_is_zero_and_the_rest_stays),
        cmocka_unit_test(test_grow__a_type_that_holds_no_more_is_refused)};
    return cmocka_run_group_tests(tests, 0, 0);
}
