/* Ranges of indices that lost blocks held: what lies in one of them, at each of their edges, and
 * what does not. Not here: what is done about lost blocks (test_reader.c). */
#include "replay/lost.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { RANGES = 100 };

static void test_lost__holds_what_lies_in_a_range_and_nothing_beside(void **state)
{
    (void)state;
    struct lost lost = {0};
    assert_false(lost_holds(&lost, 0));
    assert_int_equal(lost_count(&lost), 0);
    for (uint64_t i = 0; i < RANGES; i++) { /* 1 to 100 indices every 1,000 */
        assert_int_equal(lost_add(&lost, 1000 * i + 10, 1000 * i + 11 + i), 0);
        for (uint64_t k = 0; k <= i; k++) {
            assert_false(lost_holds(&lost, 1000 * k + 9));
            assert_true(lost_holds(&lost, 1000 * k + 10));
            assert_true(lost_holds(&lost, 1000 * k + 10 + k));
            assert_false(lost_holds(&lost, 1000 * k + 11 + k));
        }
        assert_int_equal(lost_count(&lost), (i + 1) * (i + 2) / 2);
    }
    lost_release(&lost);
    assert_false(lost_holds(&lost, 10));
    assert_int_equal(lost_count(&lost), 0);
    assert_int_equal(lost_add(&lost, 5, 6), 0);
    assert_true(lost_holds(&lost, 5));
    lost_release(&lost);
}

/* Neighbours that touch, and one that holds nothing. */
static void test_lost__ranges_may_touch(void **state)
{
    (void)state;
    struct lost lost = {0};
    assert_int_equal(lost_add(&lost, 3, 5), 0);
    assert_int_equal(lost_add(&lost, 5, 5), 0);
    assert_int_equal(lost_add(&lost, 5, 8), 0);
    for (uint64_t index = 0; index < 12; index++)
        assert_int_equal(lost_holds(&lost, index), index >= 3 && index < 8);
    assert_int_equal(lost_count(&lost), 5);
    lost_release(&lost);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lost__holds_what_lies_in_a_range_and_nothing_beside),
        cmocka_unit_test(test_lost__ranges_may_touch),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
