/* Functions and nodes: each content one id, also among thousands and when the trace is full. */
#include "recorder/collector/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { NODES_MAX = 1 << 16 };

struct sink {
    uint32_t functions, stacks;
    bool full;
};

static uint32_t take(void *context, const struct event *ev)
{
    struct sink *sink = context;
    if (sink->full)
        return 0;
    return ev->kind == EVENT_STACK ? STACK_FIRST + sink->stacks++
                                   : FUNCTION_FIRST + sink->functions++;
}

static struct text text(const char *bytes) { return (struct text){bytes, (uint32_t)strlen(bytes)}; }

static void test_names__one_content_has_one_id(void **state)
{
    (void)state;
    struct sink sink = {0};
    struct names *n = names_new(take, &sink, NODES_MAX);
    uint32_t f = names_function(n, FUNCTION_PYTHON, text("work"), text("job.py"), 3);
    uint32_t s = names_stack(n, STACK_EMPTY, f, 4);
    assert_int_equal(names_function(n, FUNCTION_PYTHON, text("work"), text("job.py"), 3), f);
    assert_int_equal(names_stack(n, STACK_EMPTY, f, 4), s);
    assert_int_equal(sink.functions, 1);
    assert_int_equal(sink.stacks, 1);
    names_free(n);
}

/* Whatever differs tells two apart; also texts whose concatenation is the same, or that end in
 * NULs. */
static void test_names__any_difference_makes_another(void **state)
{
    (void)state;
    struct sink sink = {0};
    struct names *n = names_new(take, &sink, NODES_MAX);
    uint32_t ids[] = {
        names_function(n, FUNCTION_PYTHON, text("ab"), text("c"), 1),
        names_function(n, FUNCTION_PYTHON, text("a"), text("bc"), 1),
        names_function(n, FUNCTION_PYTHON, text(""), text("abc"), 1),
        names_function(n, FUNCTION_PYTHON, text("abc"), text(""), 1),
        names_function(n, FUNCTION_PYTHON, text("ab"), text("c"), 2),
        names_function(n, FUNCTION_NATIVE, text("ab"), text("c"), 1),
        names_function(n, FUNCTION_PYTHON, (struct text){"ab\0", 3}, text("c"), 1),
        names_function(n, FUNCTION_PYTHON, (struct text){"\0", 1}, text(""), 0),
        names_function(n, FUNCTION_PYTHON, text(""), (struct text){"\0", 1}, 0),
        names_function(n, FUNCTION_PYTHON, text(""), text(""), 0),
        names_module(n, text("/a/c"), text("ab")),
        names_module(n, text("/a/c"), text("")),
        names_module(n, text("/b/c"), text("ab")),
        names_module(n, text(""), text("")),
    };
    const uint32_t count = sizeof ids / sizeof ids[0];
    assert_int_equal(sink.functions, count);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(ids[i], FUNCTION_FIRST + i);
    uint32_t stacks[] = {names_stack(n, 0, 1, 2), names_stack(n, 0, 2, 1), names_stack(n, 2, 1, 0),
                         names_stack(n, 1, 2, 0), names_stack(n, 0, 1, 3)};
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(stacks[i], STACK_FIRST + i);
    names_free(n);
}

static void test_names__thousands_keep_their_ids(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    struct sink sink = {0};
    struct names *n = names_new(take, &sink, NODES_MAX);
    char name[32];
    for (unsigned round = 0; round < 2; round++)
        for (uint32_t i = 0; i < COUNT; i++) {
            snprintf(name, sizeof name, "function_%u", i);
            assert_int_equal(names_function(n, FUNCTION_PYTHON, text(name), text("f"), i),
                             FUNCTION_FIRST + i);
            assert_int_equal(names_stack(n, i / 3, i, i % 7), STACK_FIRST + i);
        }
    assert_int_equal(sink.functions, COUNT);
    names_free(n);
}

/* Among so many, nodes that differ in one thing alone fall side by side. */
static void test_names__thousands_that_differ_in_one_thing(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    struct sink sink = {0};
    struct names *n = names_new(take, &sink, NODES_MAX * 4);
    for (unsigned round = 0; round < 2; round++)
        for (uint32_t i = 0; i < COUNT; i++) {
            assert_int_equal(names_stack(n, i + 9, 1, 2), STACK_FIRST + 3 * i);
            assert_int_equal(names_stack(n, 3, i + 9, 2), STACK_FIRST + 3 * i + 1);
            assert_int_equal(names_stack(n, 3, 1, i + 9), STACK_FIRST + 3 * i + 2);
        }
    names_free(n);
}

/* What could not be written is unknown, and is not remembered as if it had been. */
static void test_names__what_finds_no_room_is_unknown(void **state)
{
    (void)state;
    struct sink sink = {.full = true};
    struct names *n = names_new(take, &sink, NODES_MAX);
    assert_int_equal(names_function(n, FUNCTION_PYTHON, text("a"), text("b"), 1), FUNCTION_UNKNOWN);
    assert_int_equal(names_stack(n, 0, 1, 1), STACK_UNKNOWN);
    sink.full = false;
    assert_int_equal(names_function(n, FUNCTION_PYTHON, text("a"), text("b"), 1), FUNCTION_FIRST);
    assert_int_equal(names_stack(n, 0, 1, 1), STACK_FIRST);
    names_free(n);
}

/* Beyond the limit nodes are forgotten, but never taken for another, and those that others have
 * asked for are kept first. */
static void test_names__forgets_rather_than_grow(void **state)
{
    (void)state;
    enum { COUNT = 50000, PLACES = 4096, SHARED = 200 };
    struct sink sink = {0};
    struct names *n = names_new(take, &sink, PLACES);
    for (uint32_t round = 0; round < 2; round++)
        for (uint32_t i = 0; i < SHARED; i++)
            assert_int_equal(names_stack(n, 0, i, 1), STACK_FIRST + i);
    for (uint32_t i = 0; i < COUNT; i++) {
        uint32_t id = names_stack(n, 1, i, 2);
        assert_int_equal(id, STACK_FIRST + sink.stacks - 1);
        assert_int_equal(names_stack(n, 1, i, 2), id); /* known now, so asked for */
    }
    assert_int_equal(sink.stacks, SHARED + COUNT);
    uint32_t known = 0, before = sink.stacks;
    for (uint32_t i = 0; i < COUNT; i++)
        known += names_stack(n, 1, COUNT - 1 - i, 2) < STACK_FIRST + before;
    assert_true(known > PLACES / 2 && known <= PLACES);
    names_free(n);
}

static void test_names__keeps_what_is_shared_and_what_is_new(void **state)
{
    (void)state;
    enum { COUNT = 50000, PLACES = 4096, SHARED = 200, NEW = 1000 };
    struct sink sink = {0};
    struct names *n = names_new(take, &sink, PLACES);
    for (uint32_t round = 0; round < 2; round++)
        for (uint32_t i = 0; i < SHARED; i++)
            names_stack(n, 0, i, 1);
    for (uint32_t i = 0; i < COUNT; i++)
        names_stack(n, 1, i, 2);
    for (uint32_t i = 0; i < SHARED; i++)
        assert_int_equal(names_stack(n, 0, i, 1), STACK_FIRST + i);
    for (uint32_t i = COUNT - NEW; i < COUNT; i++)
        assert_int_equal(names_stack(n, 1, i, 2), STACK_FIRST + SHARED + i);
    names_free(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names__one_content_has_one_id),
        cmocka_unit_test(test_names__any_difference_makes_another),
        cmocka_unit_test(test_names__thousands_keep_their_ids),
        cmocka_unit_test(test_names__thousands_that_differ_in_one_thing),
        cmocka_unit_test(test_names__what_finds_no_room_is_unknown),
        cmocka_unit_test(test_names__forgets_rather_than_grow),
        cmocka_unit_test(test_names__keeps_what_is_shared_and_what_is_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
