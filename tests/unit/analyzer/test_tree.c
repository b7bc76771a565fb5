/* Stacks merged into a call tree: sums, order, equal frames, unknown ends and very deep stacks. */
#include "analyzer/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

struct scene {
    struct symbols s;
    struct tree t;
};

static struct scene scene;

static void function(uint32_t id, const char *name, const char *file)
{
    symbols_define_function(&scene.s, id, FUNCTION_PYTHON,
                            (struct text){name, (uint32_t)strlen(name)},
                            (struct text){file, (uint32_t)strlen(file)}, 1);
}

static int start(void **state)
{
    (void)state;
    symbols_init(&scene.s);
    function(1, "main", "job.py");
    function(2, "load", "job.py");
    function(3, "main", "job.py"); /* the same code object, made again */
    function(4, "_find_and_load", "<frozen importlib._bootstrap>");
    return tree_init(&scene.t);
}

static int stop(void **state)
{
    (void)state;
    symbols_release(&scene.s);
    tree_release(&scene.t);
    return 0;
}

static const struct node *child(uint32_t node, int number)
{
    uint32_t at = scene.t.nodes[node].first_child;
    while (number--)
        at = scene.t.nodes[at].next_sibling;
    return &scene.t.nodes[at];
}

static uint32_t index_of(const struct node *n) { return (uint32_t)(n - scene.t.nodes); }

static void add(uint32_t group, uint32_t stack, uint64_t bytes)
{
    assert_int_equal(tree_add(&scene.t, &scene.s, group, stack, bytes, 1), 0);
}

static void test_tree__bytes_add_up_and_children_fall(void **state)
{
    (void)state;
    symbols_define_stack(&scene.s, 2, 0, 1, 10);
    symbols_define_stack(&scene.s, 3, 2, 2, 20);
    symbols_define_stack(&scene.s, 4, 2, 2, 30);
    add(0, 2, 5);
    add(0, 3, 100);
    add(0, 4, 700);
    tree_finish(&scene.t);
    assert_int_equal(scene.t.nodes[0].bytes, 805);
    assert_int_equal(scene.t.nodes[0].count, 3);
    const struct node *main = child(0, 0);
    assert_int_equal(main->bytes, 805);
    assert_int_equal(main->own_bytes, 5);
    assert_int_equal(child(index_of(main), 0)->line, 30);
    assert_int_equal(child(index_of(main), 1)->line, 20);
}

static void test_tree__an_equal_frame_of_another_definition_is_the_same_node(void **state)
{
    (void)state;
    symbols_define_stack(&scene.s, 2, 0, 1, 10);
    symbols_define_stack(&scene.s, 3, 0, 3, 10);
    symbols_define_stack(&scene.s, 4, 0, 3, 11);
    add(0, 2, 1);
    add(0, 3, 2);
    add(0, 4, 4);
    tree_finish(&scene.t);
    assert_int_equal(child(0, 0)->bytes, 4);
    assert_int_equal(child(0, 1)->bytes, 3);
}

static void test_tree__processes_stay_apart(void **state)
{
    (void)state;
    symbols_define_stack(&scene.s, 2, 0, 1, 10);
    add(tree_process(&scene.t, 7), 2, 1);
    add(tree_process(&scene.t, 8), 2, 2);
    tree_finish(&scene.t);
    assert_int_equal(child(0, 0)->kind, NODE_PROCESS);
    assert_int_equal(child(0, 0)->function, 8);
    assert_int_equal(child(index_of(child(0, 0)), 0)->bytes, 2);
}

static void test_tree__unknown_ends_are_nodes_of_their_own(void **state)
{
    (void)state;
    symbols_define_stack(&scene.s, 5, 4, 1, 10); /* 4 was lost */
    add(0, STACK_EMPTY, 1);
    add(0, STACK_UNKNOWN, 2);
    add(0, 5, 4);
    add(0, 99, 8);
    tree_finish(&scene.t);
    assert_int_equal(child(0, 0)->kind, NODE_UNKNOWN);
    assert_int_equal(child(0, 0)->bytes, 14);
    assert_int_equal(child(0, 0)->own_bytes, 10);
    assert_int_equal(child(0, 1)->kind, NODE_NO_STACK);
}

static void test_tree__importlib_is_left_out_on_request(void **state)
{
    (void)state;
    scene.t.skip_imports = true;
    symbols_define_stack(&scene.s, 2, 0, 1, 3);
    symbols_define_stack(&scene.s, 3, 2, 4, 1176);
    symbols_define_stack(&scene.s, 4, 3, 2, 1);
    add(0, 4, 10);
    add(0, 3, 1);
    tree_finish(&scene.t);
    assert_true(scene.t.skipped);
    assert_int_equal(child(0, 0)->bytes, 11);
    assert_int_equal(child(0, 0)->own_bytes, 1);
    assert_int_equal(child(index_of(child(0, 0)), 0)->function, 2);
}

static void test_tree__a_stack_may_be_a_million_deep(void **state)
{
    (void)state;
    for (uint32_t id = 2; id < 1000002; id++)
        symbols_define_stack(&scene.s, id, id > 2 ? id - 1 : 0, 1, 7);
    add(0, 1000001, 3);
    tree_finish(&scene.t);
    assert_int_equal(scene.t.count, 1000001);
    assert_int_equal(scene.t.nodes[1].bytes, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tree__bytes_add_up_and_children_fall, start, stop),
        cmocka_unit_test_setup_teardown(
            test_tree__an_equal_frame_of_another_definition_is_the_same_node, start, stop),
        cmocka_unit_test_setup_teardown(test_tree__processes_stay_apart, start, stop),
        cmocka_unit_test_setup_teardown(test_tree__unknown_ends_are_nodes_of_their_own, start,
                                        stop),
        cmocka_unit_test_setup_teardown(test_tree__importlib_is_left_out_on_request, start, stop),
        cmocka_unit_test_setup_teardown(test_tree__a_stack_may_be_a_million_deep, start, stop),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
