/* Numbering: by first use, the same again, through growth, and keys at the ends of 64 bits. */
#include "analyzer/numbering.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void test_numbering__many_keys_keep_the_numbers_of_their_first_use(void **state)
{
    (void)state;
    enum { MANY = 20000 };
    struct numbering n;
    bool met;
    assert_int_equal(numbering_init(&n), 0);
    for (uint64_t i = 0; i < MANY; i++) {
        assert_int_equal(numbering_of(&n, i * 4096, &met), i);
        assert_false(met);
    }
    for (uint64_t i = MANY; i-- > 0;) {
        assert_int_equal(numbering_of(&n, i * 4096, &met), i);
        assert_true(met);
    }
    assert_int_equal(n.count, MANY);
    numbering_release(&n);
}

static void test_numbering__0_and_the_largest_key_are_keys(void **state)
{
    (void)state;
    struct numbering n;
    bool met;
    assert_int_equal(numbering_init(&n), 0);
    assert_int_equal(numbering_of(&n, UINT64_MAX - 1, &met), 0);
    assert_int_equal(numbering_of(&n, 0, &met), 1);
    assert_false(met);
    assert_int_equal(numbering_of(&n, UINT64_MAX - 1, &met), 0);
    assert_true(met);
    numbering_release(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbering__many_keys_keep_the_numbers_of_their_first_use),
        cmocka_unit_test(test_numbering__0_and_the_largest_key_are_keys),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
