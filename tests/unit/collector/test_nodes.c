/* A process's node numbers beside a plain array: whatever the order of definitions, gaps,
 * redefinitions, copies. */
#include "recorder/collector/nodes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { MODEL = 1 << 16 };

struct model {
    uint32_t stacks[MODEL], outermosts[MODEL];
};

static void compare(const struct nodes *n, const struct model *m)
{
    for (uint32_t i = 0; i < MODEL; i++) {
        assert_int_equal(nodes_stack(n, i), m->stacks[i]);
        assert_int_equal(nodes_outermost(n, i), m->outermosts[i]);
    }
}

static void define(struct nodes *n, struct model *m, uint32_t node, uint32_t stack, uint32_t code)
{
    assert_true(nodes_define(n, node, stack, code));
    m->stacks[node] = stack;
    m->outermosts[node] = code;
}

static uint32_t below(uint64_t *seed, uint32_t limit)
{
    *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(*seed >> 33) % limit;
}

/* chance: one of so many numbers breaks the rule of its page. */
static void random_history(uint32_t chance, uint64_t seed)
{
    struct nodes n = {0};
    struct model *m = calloc(1, sizeof *m);
    uint32_t stack = 2, node = 1, code = 1;
    while (node < MODEL - 400) {
        uint32_t what = below(&seed, chance);
        if (what == 0)
            node += below(&seed, 300); /* given up */
        else if (what == 1)
            stack += below(&seed, 5);
        else if (what == 2)
            code = 1 + below(&seed, 3);
        else if (what == 3)
            define(&n, m, below(&seed, node + 1), 2 + below(&seed, 99), below(&seed, 4));
        define(&n, m, node++, stack++, code);
    }
    compare(&n, m);
    nodes_release(&n);
    free(m);
}

static void test_nodes__are_what_they_were_defined_as(void **state)
{
    (void)state;
    random_history(5, 1);
    random_history(50, 2);
    random_history(5000, 3);
    random_history(1u << 30, 4);
}

static void test_nodes__in_order_need_no_arrays(void **state)
{
    (void)state;
    struct nodes n = {0};
    assert_true(nodes_define(&n, 1, 2, 7)); /* 0 is no node: its page has a gap */
    for (uint32_t node = 2; node < 10 * NODES_PAGE; node++)
        assert_true(nodes_define(&n, node, node + 1, 7));
    for (uint32_t page = 1; page < 10; page++) {
        assert_null(n.pages[page].stacks);
        assert_null(n.pages[page].outermosts);
    }
    nodes_release(&n);
}

static void test_nodes__absurd_numbers_are_refused(void **state)
{
    (void)state;
    struct nodes n = {0};
    assert_false(nodes_define(&n, UINT32_MAX, 2, 1));
    assert_false(nodes_define(&n, NODES_LIMIT, 2, 1));
    assert_false(nodes_define(&n, NODES_JUMP + 1, 2, 1));
    assert_int_equal(n.count, 0);
    assert_true(nodes_define(&n, NODES_JUMP, 2, 1));
    assert_int_equal(nodes_stack(&n, NODES_JUMP), 2);
    assert_int_equal(nodes_stack(&n, NODES_JUMP - 1), 0);
    assert_int_equal(nodes_stack(&n, UINT32_MAX), 0);
    nodes_release(&n);
}

static void test_nodes__a_copy_goes_its_own_way(void **state)
{
    (void)state;
    struct nodes n = {0}, copy = {0}, none = {0};
    struct model *m = calloc(2, sizeof *m);
    for (uint32_t node = 1; node < 1000; node++)
        define(&n, &m[0], node, node % 97 ? node + 5 : 3, node % 200 ? 1 : 2);
    m[1] = m[0];
    assert_true(nodes_copy(&copy, &n));
    for (uint32_t node = 1; node < 1100; node += 7) {
        define(&n, &m[0], node, 4, 3);
        define(&copy, &m[1], node + 1, 6, 8);
    }
    compare(&n, &m[0]);
    nodes_release(&n);
    compare(&copy, &m[1]);
    nodes_release(&copy);
    assert_true(nodes_copy(&copy, &none));
    define(&copy, memset(m, 0, sizeof *m), 9, 8, 7);
    compare(&copy, m);
    nodes_release(&copy);
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nodes__are_what_they_were_defined_as),
        cmocka_unit_test(test_nodes__in_order_need_no_arrays),
        cmocka_unit_test(test_nodes__absurd_numbers_are_refused),
        cmocka_unit_test(test_nodes__a_copy_goes_its_own_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
