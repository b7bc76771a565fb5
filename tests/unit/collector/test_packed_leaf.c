/* A packed leaf against the places that it was made of. */
#include "recorder/collector/packed_leaf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static uint32_t places[PACKED_LEAF_PLACES];

/* Every `stride`th place has a value, from `first` on, `step` apart. */
static struct packed_leaf *made(unsigned stride, uint32_t first, uint32_t step)
{
    memset(places, 0, sizeof places);
    for (unsigned i = 0; i < PACKED_LEAF_PLACES; i += stride)
        places[i] = first + i / stride * step;
    return packed_leaf_new(places);
}

static void is_same(const struct packed_leaf *leaf)
{
    uint32_t spread[PACKED_LEAF_PLACES] = {0};
    unsigned live = 0;
    packed_leaf_spread(leaf, spread);
    assert_memory_equal(spread, places, sizeof places);
    for (unsigned i = 0; i < PACKED_LEAF_PLACES; i++) {
        assert_int_equal(packed_leaf_value(leaf, i), places[i]);
        live += places[i] != 0;
    }
    assert_int_equal(leaf->live, live);
}

static void test_packed_leaf__has_the_values_of_its_places(void **state)
{
    (void)state;
    static const struct {
        unsigned stride;
        uint32_t first, step;
        bool near;
    } cases[] = {
        {1, 1, 1, true},          {1, 1, 64, true},
        {1, 1, 65, false},        {7, 1u << 30, 9, true},
        {1000, 9, 0, true},       {3, UINT32_MAX - 341, 1, true},
        {1023, 5, 65534, true},   {1023, 5, 65535, false},
        {64, 1, 1u << 26, false}, {512, 0x80000007, 1, true},
        {5, 0x7FFFFF00, 3, true},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct packed_leaf *leaf = made(cases[i].stride, cases[i].first, cases[i].step);
        assert_int_equal(leaf != NULL, cases[i].near);
        if (leaf)
            is_same(leaf);
        free(leaf);
    }
}

/* Values that are taken, put again and put where there was none, until there is no room. */
static void test_packed_leaf__changes_in_place(void **state)
{
    (void)state;
    struct packed_leaf *leaf = made(9, 100, 7);
    for (unsigned i = 0; i < PACKED_LEAF_PLACES; i += 27) {
        assert_true(packed_leaf_set(leaf, i, 0));
        assert_true(packed_leaf_set(leaf, i + 1, 0));
        places[i] = 0;
    }
    is_same(leaf);
    assert_true(packed_leaf_set(leaf, 27, 777));
    places[27] = 777;
    unsigned added = 0;
    for (unsigned i = 1022; i > 5 && packed_leaf_set(leaf, i, 300 + i); i -= 11, added++)
        places[i] = 300 + i;
    is_same(leaf);
    assert_in_range(added, 1, 64);
    free(leaf);
}

static void test_packed_leaf__refuses_what_is_too_far(void **state)
{
    (void)state;
    struct packed_leaf *leaf = made(100, 1000, 1);
    static const uint32_t far[] = {1, 999, 1000 + 65535, UINT32_MAX};
    for (unsigned i = 0; i < sizeof far / sizeof far[0]; i++) {
        assert_false(packed_leaf_set(leaf, 100, far[i]));
        assert_false(packed_leaf_set(leaf, 101, far[i]));
    }
    is_same(leaf);
    assert_true(packed_leaf_set(leaf, 100, places[100] = 1000 + 65534));
    is_same(leaf);
    free(leaf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packed_leaf__has_the_values_of_its_places),
        cmocka_unit_test(test_packed_leaf__changes_in_place),
        cmocka_unit_test(test_packed_leaf__refuses_what_is_too_far),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
