/* What a process's own numbers mean: definitions, what a forked child inherits, absurd numbers. */
#include "recorder/collector/recorded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static uint32_t last_line;
static uint32_t take(void *context, const struct event *ev)
{
    uint32_t *count = context;
    if (ev->kind == EVENT_STACK)
        last_line = (uint32_t)ev->line;
    return 2 + (*count)++;
}

struct world {
    struct address_pool pool;
    struct names *names;
    uint32_t count;
};

static int begin(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    address_pool_init(&w->pool, 1u << 20);
    w->names = names_new(take, &w->count, 1 << 16);
    *state = w;
    return 0;
}

static int end(void **state)
{
    struct world *w = *state;
    names_free(w->names);
    address_pool_release(&w->pool);
    free(w);
    return 0;
}

/* lnotab: byte 6 begins line first + 1. */
static const uint8_t table_bytes[] = {6, 1};
static struct line_table table(int32_t first)
{
    return (struct line_table){
        .bytes = table_bytes, .size_bytes = 2, .first_line = first, .kind = LINE_TABLE_LNOTAB};
}

static void test_recorded__a_node_has_the_line_of_its_instruction(void **state)
{
    struct world *w = *state;
    struct recorded *p = recorded_new(&w->pool);
    struct line_table t = table(40);
    assert_true(recorded_define_code(p, 1, 9, &t));
    assert_true(recorded_define_node(p, w->names, 2, 0, 1, 0));
    assert_int_equal(last_line, 40);
    assert_true(recorded_define_node(p, w->names, 3, 2, 1, 8));
    assert_int_equal(last_line, 41);
    assert_int_not_equal(recorded_stack(p, w->names, 2), recorded_stack(p, w->names, 3));
    recorded_free(p);
}

/* Nodes that differ only in the instruction of one line are one. */
static void test_recorded__instructions_of_one_line_are_one_stack(void **state)
{
    struct world *w = *state;
    struct recorded *p = recorded_new(&w->pool);
    struct line_table t = table(40);
    assert_true(recorded_define_code(p, 1, 9, &t));
    assert_true(recorded_define_node(p, w->names, 2, 0, 1, 0));
    assert_true(recorded_define_node(p, w->names, 3, 0, 1, 4));
    assert_int_equal(recorded_stack(p, w->names, 2), recorded_stack(p, w->names, 3));
    recorded_free(p);
}

static void test_recorded__numbers_that_were_never_defined_are_unknown(void **state)
{
    struct world *w = *state;
    struct recorded *p = recorded_new(&w->pool);
    assert_int_equal(recorded_stack(p, w->names, 0), STACK_EMPTY);
    assert_int_equal(recorded_stack(p, w->names, 1), STACK_UNKNOWN);
    assert_int_equal(recorded_stack(p, w->names, UINT32_MAX), STACK_UNKNOWN);
    assert_true(recorded_define_node(p, w->names, 10, 0, 77, 0)); /* code 77 is unknown */
    assert_int_equal(recorded_stack(p, w->names, 9), STACK_UNKNOWN);
    assert_int_not_equal(recorded_stack(p, w->names, 10), STACK_UNKNOWN);
    recorded_free(p);
}

static void test_recorded__absurd_numbers_are_refused(void **state)
{
    struct world *w = *state;
    struct recorded *p = recorded_new(&w->pool);
    struct line_table t = table(1);
    assert_false(recorded_define_node(p, w->names, UINT32_MAX, 0, 0, 0));
    assert_false(recorded_define_node(p, w->names, 1u << 24, 0, 0, 0));
    assert_false(recorded_define_code(p, UINT32_MAX, 1, &t));
    assert_false(recorded_define_code(p, 1u << 24, 1, &t));
    assert_int_equal(p->nodes.count, 0);
    assert_int_equal(p->code_count, 0);
    recorded_free(p);
}

/* A child knows what its parent knew at the fork, and neither disturbs the other afterwards: not by
 * redefining, not by ending. */
static void test_recorded__a_child_inherits_and_goes_its_own_way(void **state)
{
    struct world *w = *state;
    struct recorded *parent = recorded_new(&w->pool), *child = recorded_new(&w->pool);
    struct line_table t = table(40), other = table(90);
    assert_true(recorded_define_code(parent, 1, 9, &t));
    assert_true(recorded_define_node(parent, w->names, 2, 0, 1, 0));
    assert_true(recorded_inherit(child, parent));
    uint32_t stack = recorded_stack(parent, w->names, 2);
    assert_int_equal(recorded_stack(child, w->names, 2), stack);
    assert_true(recorded_define_code(parent, 1, 10, &other));
    recorded_free(parent);
    assert_true(recorded_define_node(child, w->names, 3, 0, 1, 8));
    assert_int_equal(last_line, 41); /* by the table as it was */
    assert_int_equal(recorded_stack(child, w->names, 2), stack);
    recorded_free(child);
}

static void test_recorded__an_ended_parent_keeps_definitions_where_asked(void **state)
{
    struct world *w = *state;
    struct recorded *parent = recorded_new(&w->pool), *late = recorded_new(&w->pool);
    struct line_table t = table(40);
    assert_true(recorded_define_code(parent, 1, 9, &t));
    assert_true(recorded_define_node(parent, w->names, 2, 0, 1, 0));
    recorded_end(parent, true);
    assert_true(recorded_inherit(late, parent));
    assert_int_not_equal(recorded_stack(late, w->names, 2), STACK_UNKNOWN);
    recorded_end(parent, false);
    assert_int_equal(recorded_stack(parent, w->names, 2), STACK_UNKNOWN);
    recorded_free(parent);
    recorded_free(late);
    recorded_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_recorded__a_node_has_the_line_of_its_instruction,
                                        begin, end),
        cmocka_unit_test_setup_teardown(test_recorded__instructions_of_one_line_are_one_stack,
                                        begin, end),
        cmocka_unit_test_setup_teardown(test_recorded__numbers_that_were_never_defined_are_unknown,
                                        begin, end),
        cmocka_unit_test_setup_teardown(test_recorded__absurd_numbers_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(test_recorded__a_child_inherits_and_goes_its_own_way, begin,
                                        end),
        cmocka_unit_test_setup_teardown(
            test_recorded__an_ended_parent_keeps_definitions_where_asked, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
