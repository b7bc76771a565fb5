/* Shared paths: functions that are one, recursion that is collapsed, names that both sides know. */
#include "analyzer/paths.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct paths paths;

static int start(void **state)
{
    (void)state;
    return paths_init(&paths);
}

static int stop(void **state)
{
    (void)state;
    paths_release(&paths);
    return 0;
}

static uint32_t function(const char *name, const char *key)
{
    return paths_function(&paths, (struct text){name, (uint32_t)strlen(name)},
                          (struct text){key, (uint32_t)strlen(key)}, FUNCTION_PYTHON, 0, 0);
}

/* The path of functions of one letter. */
static uint32_t path(const char *letters)
{
    uint32_t node = PATH_ROOT;
    for (; *letters; letters++)
        node = paths_node(&paths, node, function((char[]){*letters, 0}, "O/srv/a.py"));
    return node;
}

static const char *letters(uint32_t node)
{
    static char text[300];
    char *at = text + sizeof text - 1;
    for (*at = 0; node > PATH_UNKNOWN; node = paths.nodes[node].parent)
        *--at = paths.functions[paths.nodes[node].function].name->bytes[0];
    return at;
}

static void test_paths__a_function_is_its_name_and_key(void **state)
{
    (void)state;
    uint32_t f = function("load", "Hload.py");
    assert_int_equal(function("load", "Hload.py"), f);
    assert_int_not_equal(function("load", "Lload.py"), f);
    assert_int_not_equal(function("Reader.load", "Hload.py"), f);
    for (int i = 0; i < 5000; i++) {
        char name[20];
        snprintf(name, sizeof name, "f%d", i);
        function(name, "O");
    }
    assert_int_equal(function("load", "Hload.py"), f);
    assert_int_equal(paths.function_count, 5000 + 3 + 1);
}

static void test_paths__equal_stacks_are_one_node(void **state)
{
    (void)state;
    uint32_t abc = path("abc");
    assert_int_equal(path("abc"), abc);
    assert_int_equal(paths.nodes[abc].parent, path("ab"));
    assert_int_not_equal(path("bc"), abc);
    assert_int_not_equal(paths_node(&paths, PATH_UNKNOWN, function("a", "O/srv/a.py")), path("a"));
}

static void test_paths__a_cycle_that_repeats_stands_once(void **state)
{
    (void)state;
    assert_string_equal(letters(path("abbbbc")), "abc");
    assert_string_equal(letters(path("abcbcbcd")), "abcd");
    assert_string_equal(letters(path("abcabcabcd")), "abcd");
    assert_string_equal(letters(path("aaaa")), "a");
}

static void test_paths__what_only_recurs_stays(void **state)
{
    (void)state;
    assert_string_equal(letters(path("abac")), "abac");
    assert_string_equal(letters(path("abcad")), "abcad");
    assert_string_equal(letters(path("abab")), "ab");
    assert_string_equal(letters(path("ababa")), "aba");
}

static void test_paths__cycles_end_at_the_outermost_frame(void **state)
{
    (void)state;
    assert_string_equal(letters(path("ba")), "ba");
    assert_string_equal(letters(path("bab")), "bab");
    assert_string_equal(letters(path("baba")), "ba");
}

static void test_paths__a_side_keeps_the_file_it_ran(void **state)
{
    (void)state;
    const struct name *one = symbols_name(&paths.texts, (struct text){"/v1/a.py", 8});
    const struct name *two = symbols_name(&paths.texts, (struct text){"/v2/a.py", 8});
    struct text name = {"f", 1}, key = {"Ha.py", 5};
    uint32_t f = paths_function(&paths, name, key, FUNCTION_PYTHON, 0, one);
    assert_null(paths.functions[f].files[1]);
    assert_int_equal(paths_function(&paths, name, key, FUNCTION_PYTHON, 1, two), f);
    assert_string_equal(paths.functions[f].files[0]->bytes, "/v1/a.py");
    assert_string_equal(paths.functions[f].files[1]->bytes, "/v2/a.py");
}

static void test_paths__bare_names_are_what_follows_the_last_dot(void **state)
{
    (void)state;
    struct paths agreed;
    uint32_t map[16], outer = function("Reader.load", "Ha.py");
    uint32_t inner = function("Reader.load.<locals>.one", "Ha.py");
    uint32_t node = paths_node(&paths, paths_node(&paths, PATH_ROOT, outer), inner);
    uint32_t plain = paths_node(&paths, PATH_ROOT, function("load", "Ha.py"));
    assert_int_equal(paths_init(&agreed), 0);
    assert_int_equal(paths_agree(&agreed, &paths, (struct paths_agreement){.bare = true}, map), 0);
    assert_string_equal(agreed.functions[agreed.nodes[map[node]].function].name->bytes, "one");
    assert_int_equal(agreed.nodes[map[node]].parent, map[plain]);
    paths_release(&agreed);
}

static void test_paths__a_comprehension_is_left_out_of_its_own_function(void **state)
{
    (void)state;
    struct paths agreed;
    uint32_t map[16], outer = function("f", "Ha.py"),
                      inner = function("f.<locals>.<listcomp>", "Ha.py");
    uint32_t one = paths_node(&paths, PATH_ROOT, outer), two = paths_node(&paths, one, inner);
    uint32_t lone = paths_node(&paths, PATH_ROOT, inner);
    uint32_t deep = paths_node(&paths, two, function("g", "Ha.py"));
    assert_int_equal(paths_init(&agreed), 0);
    assert_int_equal(
        paths_agree(&agreed, &paths, (struct paths_agreement){.no_comprehension = true}, map), 0);
    assert_int_equal(map[two], map[one]);
    assert_int_not_equal(map[lone], PATH_ROOT);
    assert_int_equal(agreed.nodes[map[deep]].parent, map[one]);
    paths_release(&agreed);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_paths__##name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(a_function_is_its_name_and_key),
        TEST(equal_stacks_are_one_node),
        TEST(a_cycle_that_repeats_stands_once),
        TEST(what_only_recurs_stays),
        TEST(cycles_end_at_the_outermost_frame),
        TEST(a_side_keeps_the_file_it_ran),
        TEST(bare_names_are_what_follows_the_last_dot),
        TEST(a_comprehension_is_left_out_of_its_own_function),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
