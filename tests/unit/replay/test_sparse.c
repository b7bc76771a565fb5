/* Items by id in two levels: they are zero at first, stay in place, and far ids cost little. */
#include "replay/sparse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void test_sparse__a_new_item_is_zero_and_stays_where_it_is(void **state)
{
    (void)state;
    struct sparse s;
    sparse_init(&s, sizeof(uint64_t), 3);
    uint64_t *first = sparse_put(&s, 5);
    assert_int_equal(*first, 0);
    *first = 77;
    for (uint32_t id = 0; id < 100000; id++)
        assert_non_null(sparse_put(&s, id));
    assert_ptr_equal(sparse_get(&s, 5), first);
    assert_int_equal(*first, 77);
    assert_int_equal(s.limit, 100000);
    sparse_release(&s);
}

static void test_sparse__far_ids_take_memory_for_their_neighbourhood_only(void **state)
{
    (void)state;
    struct sparse s;
    sparse_init(&s, 16, 10);
    assert_non_null(sparse_put(&s, 0xFFFFFFFE));
    size_t leaves = 0;
    for (size_t i = 0; i < s.leaf_count; i++)
        leaves += s.leaves[i] != 0;
    assert_int_equal(leaves, 1);
    assert_null(sparse_get(&s, 7));
    assert_null(sparse_get(&s, 0xFFFFFFFF - 5000));
    sparse_release(&s);
}

static void test_sparse__nothing_is_found_in_an_empty_map(void **state)
{
    (void)state;
    struct sparse s;
    sparse_init(&s, 16, 10);
    assert_null(sparse_get(&s, 0));
    assert_null(sparse_get(&s, 0xFFFFFFFF));
    sparse_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sparse__a_new_item_is_zero_and_stays_where_it_is),
        cmocka_unit_test(test_sparse__far_ids_take_memory_for_their_neighbourhood_only),
        cmocka_unit_test(test_sparse__nothing_is_found_in_an_empty_map),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
