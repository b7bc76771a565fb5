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
    return 0;
}

/* To be called when the stacks are defined. */
static void plant(bool skip_imports, uint64_t keep_bytes)
{
    assert_int_equal(tree_init(&scene.t, &scene.s, skip_imports, keep_bytes), 0);
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

static void add(uint32_t stack, uint64_t bytes) { tree_add(&scene.t, stack, bytes, 1); }

static void test_tree__bytes_add_up_and_children_fall(void **state)
{
    (void)state;
    symbols_define_stack(&scene.s, 2, 0, 1, 10);
    symbols_define_stack(&scene.s, 3, 2, 2, 20);
    symbols_define_stack(&scene.s, 4, 2, 2, 30);
    plant(false, 0);
    add(2, 5);
    add(3, 100);
    add(4, 700);
    tree_finish(&scene.t);
    assert_int_equal(scene.t.nodes[0].bytes, 805);
    assert_int_equal(scene.t.blocks, 3);
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
    plant(false, 0);
    add(2, 1);
    add(3, 2);
    add(4, 4);
    tree_finish(&scene.t);
    assert_int_equal(child(0, 0)->bytes, 4);
    assert_int_equal(child(0, 1)->bytes, 3);
}

static void test_tree__processes_stay_apart(void **state)
{
    (void)state;
    symbols_define_stack(&scene.s, 2, 0, 1, 10);
    plant(false, 0);
    assert_int_equal(tree_process(&scene.t, 7), 0);
    add(2, 1);
    assert_int_equal(tree_process(&scene.t, 8), 0);
    add(2, 2);
    add(STACK_EMPTY, 4);
    tree_finish(&scene.t);
    assert_int_equal(child(0, 0)->kind, NODE_PROCESS);
    assert_int_equal(child(0, 0)->function, 8);
    assert_int_equal(child(index_of(child(0, 0)), 0)->kind, NODE_NO_STACK);
    assert_int_equal(child(index_of(child(0, 0)), 1)->bytes, 2);
    assert_int_equal(child(index_of(child(0, 1)), 0)->bytes, 1);
    assert_int_equal(scene.t.nodes[0].bytes, 7);
    assert_int_equal(scene.t.nodes[0].children, 2);
}

static void test_tree__unknown_ends_are_nodes_of_their_own(void **state)
{
    (void)state;
    symbols_define_stack(&scene.s, 5, 4, 1, 10); /* 4 was lost */
    plant(false, 0);
    add(STACK_EMPTY, 1);
    add(STACK_UNKNOWN, 2);
    add(5, 4);
    add(99, 8);
    tree_finish(&scene.t);
    assert_int_equal(child(0, 0)->kind, NODE_UNKNOWN);
    assert_int_equal(child(0, 0)->bytes, 14);
    assert_int_equal(child(0, 0)->own_bytes, 10);
    assert_int_equal(child(0, 1)->kind, NODE_NO_STACK);
}

static void test_tree__importlib_is_left_out_on_request(void **state)
{
    (void)state;
    symbols_define_stack(&scene.s, 2, 0, 1, 3);
    symbols_define_stack(&scene.s, 3, 2, 4, 1176);
    symbols_define_stack(&scene.s, 4, 3, 2, 1);
    plant(true, 0);
    add(4, 10);
    add(3, 1);
    tree_finish(&scene.t);
    assert_true(scene.t.skipped);
    assert_int_equal(child(0, 0)->bytes, 11);
    assert_int_equal(child(0, 0)->own_bytes, 1);
    assert_int_equal(child(index_of(child(0, 0)), 0)->function, 2);
}

static void test_tree__an_import_that_nobody_called_stays(void **state)
{
    (void)state;
    symbols_define_stack(&scene.s, 2, 0, 4, 1176);
    symbols_define_stack(&scene.s, 3, 2, 2, 1);
    plant(true, 0);
    add(3, 1);
    tree_finish(&scene.t);
    assert_false(scene.t.skipped);
    assert_int_equal(child(0, 0)->function, 4);
}

static void test_tree__what_lies_below_a_frame_left_out_tells_so(void **state)
{
    (void)state;
    symbols_define_stack(&scene.s, 2, 0, 1, 3);
    symbols_define_stack(&scene.s, 3, 2, 4, 1176);
    symbols_define_stack(&scene.s, 4, 3, 2, 1);
    symbols_define_stack(&scene.s, 5, 4, 2, 1);
    plant(true, 0);
    add(2, 1);
    assert_false(scene.t.skipped);
    add(5, 1);
    assert_true(scene.t.skipped);
    tree_finish(&scene.t);
}

static void test_tree__a_process_without_stacks_leaves_nothing_to_the_next(void **state)
{
    (void)state;
    symbols_define_stack(&scene.s, 2, 0, 1, 3);
    plant(false, 0);
    for (uint32_t process = 1; process < 9; process++) {
        assert_int_equal(tree_process(&scene.t, process), 0);
        add(process % 3 ? STACK_EMPTY : 2, 100 - process);
    }
    tree_finish(&scene.t);
    for (uint32_t process = 1; process < 9; process++) {
        assert_int_equal(child(0, (int)process - 1)->bytes, 100 - process);
        assert_int_equal(child(0, (int)process - 1)->children, 1);
    }
}

static void test_tree__of_equal_children_the_first_defined_leads(void **state)
{
    (void)state;
    for (uint32_t id = 2; id < 6; id++)
        symbols_define_stack(&scene.s, id, 0, 1, id);
    plant(false, 50);
    for (uint32_t id = 2; id < 6; id++)
        add(id, 10);
    tree_finish(&scene.t);
    assert_int_equal(child(0, 0)->line, 2);
    assert_int_equal(scene.t.count, 2);
}

/* However they were added: reports of the same trace read the same. */
static void test_tree__equal_ones_have_an_order(void **state)
{
    (void)state;
    for (uint32_t id = 2; id < 6; id++)
        symbols_define_stack(&scene.s, id, 0, 1, id);
    plant(false, 0);
    for (uint32_t process = 9; process > 6; process--) {
        assert_int_equal(tree_process(&scene.t, process), 0);
        add(STACK_EMPTY, 10);
        for (uint32_t id = 5; id > 1; id--)
            add(id, 10);
    }
    tree_finish(&scene.t);
    for (int i = 0; i < 3; i++) {
        const struct node *process = child(0, i);
        assert_int_equal(process->function, 9 - i);
        for (int line = 2; line < 6; line++)
            assert_int_equal(child(index_of(process), line - 2)->line, line);
        assert_int_equal(child(index_of(process), 4)->kind, NODE_NO_STACK);
    }
}

static void test_tree__a_stack_may_be_a_million_deep(void **state)
{
    (void)state;
    for (uint32_t id = 2; id < 1000002; id++)
        symbols_define_stack(&scene.s, id, id > 2 ? id - 1 : 0, 1, 7);
    plant(false, 0);
    add(1000001, 3);
    tree_finish(&scene.t);
    assert_int_equal(scene.t.count, 1000001);
    assert_int_equal(scene.t.nodes[1].bytes, 3);
}

static void test_tree__small_children_are_counted_and_chains_kept(void **state)
{
    (void)state;
    symbols_define_stack(&scene.s, 2, 0, 1, 10);
    for (uint32_t id = 3; id < 10; id++)
        symbols_define_stack(&scene.s, id, 2, 2, id);
    symbols_define_stack(&scene.s, 10, 5, 1, 1); /* below one of the small ones */
    symbols_define_stack(&scene.s, 11, 5, 1, 2);
    plant(false, 50);
    add(2, 100);
    for (uint32_t id = 3; id < 10; id++)
        add(id, id);
    add(10, 20);
    add(11, 19);
    tree_finish(&scene.t);
    const struct node *main = child(0, 0), *largest = child(index_of(main), 0);
    assert_int_equal(main->bytes, 100 + 42 + 39);
    assert_int_equal(main->own_bytes, 100);
    assert_int_equal(main->children, 7);
    assert_int_equal(largest->line, 5);
    assert_int_equal(largest->bytes, 44);
    assert_int_equal(largest->own_bytes, 5);
    assert_int_equal(largest->children, 2);
    assert_int_equal(largest->next_sibling, 0);
    assert_int_equal(child(index_of(largest), 0)->bytes, 20);
    assert_int_equal(scene.t.count, 4);
}

static void test_tree__ids_that_jump_cost_little(void **state)
{
    (void)state;
    symbols_define_stack(&scene.s, 2, 0, 1, 10);
    symbols_define_stack(&scene.s, 4000000000u, 2, 2, 20);
    symbols_define_stack(&scene.s, 4294967000u, 4000000000u, 2, 20);
    plant(false, 0);
    assert_true(scene.t.merged.count < 10000);
    add(4294967000u, 7);
    add(4294967001u, 1);
    tree_finish(&scene.t);
    assert_int_equal(scene.t.nodes[0].children, 2);
    assert_int_equal(child(0, 0)->children, 1);
    assert_int_equal(child(index_of(child(0, 0)), 0)->bytes, 7);
    assert_int_equal(child(index_of(child(index_of(child(0, 0)), 0)), 0)->line, 20);
}

/* Random stacks whose frames are often equal, against paths that are compared frame by frame. */
enum { RANDOM_STACKS = 120, RANDOM_DEPTH = 130, ADDS = 80 };

struct path {
    int length;
    uint64_t frames[RANDOM_DEPTH];
    uint64_t bytes; /* added at it */
};

static uint64_t draw(uint64_t *seed, uint64_t limit)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (*seed >> 33) % limit;
}

static bool begins_with(const struct path *path, const struct path *start)
{
    return path->length >= start->length &&
           !memcmp(path->frames, start->frames, (size_t)start->length * sizeof *start->frames);
}

/* The path of a node: its frames as function and line; functions 1 and 3 are the same. */
static struct path path_of(uint32_t node)
{
    struct path path = {0};
    for (uint32_t at = node; at; at = scene.t.nodes[at].parent)
        path.length++;
    int i = path.length;
    for (uint32_t at = node; at; at = scene.t.nodes[at].parent)
        path.frames[--i] = (uint64_t)scene.t.nodes[at].function << 32 | scene.t.nodes[at].line;
    return path;
}

static void check_node(uint32_t node, const struct path *added)
{
    const struct node *n = &scene.t.nodes[node];
    struct path path = path_of(node);
    uint64_t bytes = 0, own = 0, next[ADDS], last = UINT64_MAX;
    uint32_t children = 0;
    for (int i = 0; i < ADDS; i++) {
        if (!begins_with(&added[i], &path))
            continue;
        bytes += added[i].bytes;
        own += added[i].length == path.length ? added[i].bytes : 0;
        bool fresh = added[i].length > path.length;
        for (uint32_t k = 0; k < children && fresh; k++)
            fresh = next[k] != added[i].frames[path.length];
        if (fresh)
            next[children++] = added[i].frames[path.length];
    }
    assert_int_equal(n->bytes, bytes);
    assert_int_equal(n->own_bytes, own);
    assert_int_equal(n->children, children);
    assert_int_equal(n->first_child != 0, children != 0);
    for (uint32_t c = n->first_child; c; c = scene.t.nodes[c].next_sibling) {
        assert_true(scene.t.nodes[c].bytes <= last);
        last = scene.t.nodes[c].bytes;
    }
}

/* Everything that has keep_bytes is there, and the largest child of all that is. */
static void check_kept(const struct path *added, uint64_t keep_bytes)
{
    uint32_t large = 0, expected = 0;
    for (uint32_t node = 1; node < scene.t.count; node++)
        large += scene.t.nodes[node].bytes >= keep_bytes;
    for (int i = 0; i < ADDS; i++)
        for (int length = 1; length <= added[i].length; length++) {
            struct path start = added[i];
            uint64_t bytes = 0;
            bool first = true;
            start.length = length;
            for (int k = 0; k < ADDS; k++) {
                bool same = begins_with(&added[k], &start);
                first &= !same || k >= i;
                bytes += same ? added[k].bytes : 0;
            }
            expected += first && bytes >= keep_bytes;
        }
    assert_int_equal(large, expected);
}

static void check_random(uint64_t seed)
{
    static struct path stacks[RANDOM_STACKS], added[ADDS];
    uint64_t keep_bytes = draw(&seed, 3) * 150;
    stacks[0] = (struct path){0};
    for (uint32_t i = 1; i < RANDOM_STACKS; i++) {
        uint32_t parent = (uint32_t)draw(&seed, i), function = 1 + (uint32_t)draw(&seed, 3);
        uint64_t line = 1 + draw(&seed, 2);
        symbols_define_stack(&scene.s, i + 1, parent ? parent + 1 : 0, function, line);
        stacks[i] = stacks[parent];
        stacks[i].frames[stacks[i].length++] = (function == 3 ? 1ull : function) << 32 | line;
    }
    plant(false, keep_bytes);
    for (int i = 0; i < ADDS; i++) {
        uint32_t stack = 1 + (uint32_t)draw(&seed, RANDOM_STACKS - 1);
        added[i] = stacks[stack];
        added[i].bytes = 1 + draw(&seed, 100);
        add(stack + 1, added[i].bytes);
    }
    assert_int_equal(tree_finish(&scene.t), 0);
    for (uint32_t node = 0; node < scene.t.count; node++)
        check_node(node, added);
    check_kept(added, keep_bytes);
}

static void test_tree__equals_comparing_paths(void **state)
{
    for (uint64_t seed = 1; seed <= 200; seed++) {
        stop(state);
        start(state);
        check_random(seed);
    }
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
        cmocka_unit_test_setup_teardown(test_tree__an_import_that_nobody_called_stays, start, stop),
        cmocka_unit_test_setup_teardown(test_tree__what_lies_below_a_frame_left_out_tells_so, start,
                                        stop),
        cmocka_unit_test_setup_teardown(
            test_tree__a_process_without_stacks_leaves_nothing_to_the_next, start, stop),
        cmocka_unit_test_setup_teardown(test_tree__of_equal_children_the_first_defined_leads, start,
                                        stop),
        cmocka_unit_test_setup_teardown(test_tree__equal_ones_have_an_order, start, stop),
        cmocka_unit_test_setup_teardown(test_tree__a_stack_may_be_a_million_deep, start, stop),
        cmocka_unit_test_setup_teardown(test_tree__small_children_are_counted_and_chains_kept,
                                        start, stop),
        cmocka_unit_test_setup_teardown(test_tree__ids_that_jump_cost_little, start, stop),
        cmocka_unit_test_setup_teardown(test_tree__equals_comparing_paths, start, stop),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
