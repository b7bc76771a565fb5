/* Allocator kinds: names, and values that never change. */
#include "format/event.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void test_event__allocators_keep_their_values_and_names(void **state)
{
    (void)state;
    assert_int_equal(ALLOCATOR_MALLOC, 0);
    assert_int_equal(ALLOCATOR_MMAP, 8);
    assert_int_equal(ALLOCATOR_PY_RAW, 11);
    assert_int_equal(ALLOCATOR_PY_OBJ_POOLED, 15);
    assert_string_equal(allocator_name(ALLOCATOR_MALLOC), "malloc");
    assert_string_equal(allocator_name(ALLOCATOR_PY_OBJ), "PyObject_Malloc");
}

static void test_event__unknown_allocators_have_a_name_too(void **state)
{
    (void)state;
    assert_string_equal(allocator_name(31), "unknown allocator");
    assert_string_equal(allocator_name(ALLOCATOR_COUNT), "unknown allocator");
    assert_string_equal(allocator_name(0xFFFFFFFF), "unknown allocator");
    assert_false(allocator_pooled(0xFFFFFFFF));
}

static void test_event__pooled_are_those_inside_an_arena(void **state)
{
    (void)state;
    for (unsigned allocator = 0; allocator < ALLOCATOR_COUNT; allocator++)
        assert_int_equal(allocator_pooled(allocator), allocator == ALLOCATOR_PY_MEM_POOLED ||
                                                          allocator == ALLOCATOR_PY_OBJ_POOLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_event__allocators_keep_their_values_and_names),
        cmocka_unit_test(test_event__unknown_allocators_have_a_name_too),
        cmocka_unit_test(test_event__pooled_are_those_inside_an_arena),
    };
    return cmocka_run_group_tests_name("event", tests, NULL, NULL);
}
