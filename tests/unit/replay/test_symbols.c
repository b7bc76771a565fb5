/* Texts, functions, stack nodes: what is equal, what is unknown, and that parents are smaller. */
#include "replay/symbols.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct text text(const char *bytes) { return (struct text){bytes, (uint32_t)strlen(bytes)}; }

static int start(void **state)
{
    static struct symbols s;
    *state = &s;
    return symbols_init(&s);
}

static int stop(void **state)
{
    symbols_release(*state);
    return 0;
}

static void test_symbols__equal_texts_are_one_pointer(void **state)
{
    const struct name *a = symbols_name(*state, text("job.py"));
    char other[] = "job.py";
    assert_ptr_equal(symbols_name(*state, text(other)), a);
    assert_ptr_not_equal(symbols_name(*state, text("job.p")), a);
    assert_ptr_not_equal(symbols_name(*state, (struct text){"a\0b", 3}),
                         symbols_name(*state, (struct text){"a\0c", 3}));
}

static void test_symbols__ten_thousand_texts_stay_apart(void **state)
{
    static const struct name *names[10000];
    char buffer[32];
    for (int i = 0; i < 10000; i++) {
        snprintf(buffer, sizeof buffer, "f%d", i);
        names[i] = symbols_name(*state, text(buffer));
    }
    for (int i = 0; i < 10000; i++) {
        snprintf(buffer, sizeof buffer, "f%d", i);
        assert_ptr_equal(symbols_name(*state, text(buffer)), names[i]);
        assert_string_equal(names[i]->bytes, buffer);
    }
}

static void test_symbols__an_equal_function_finds_its_first_definition(void **state)
{
    struct symbols *s = *state;
    symbols_define_function(s, 1, FUNCTION_PYTHON, text("main"), text("job.py"), 3);
    symbols_define_function(s, 2, FUNCTION_PYTHON, text("main"), text("other.py"), 3);
    symbols_define_function(s, 900000, FUNCTION_PYTHON, text("main"), text("job.py"), 7);
    symbols_define_function(s, 3, FUNCTION_NATIVE, text("main"), text("job.py"), 3);
    assert_int_equal(symbols_function(s, 1)->same, 1);
    assert_int_equal(symbols_function(s, 2)->same, 2);
    assert_int_equal(symbols_function(s, 900000)->same, 1);
    assert_int_equal(symbols_function(s, 3)->same, 3);
}

/* The same library by another build is another one, and so is one function of two libraries. */
static void test_symbols__machine_code_is_told_apart_by_its_module(void **state)
{
    struct symbols *s = *state;
    struct native_function f = {.kind = FUNCTION_MODULE,
                                .name = text("libz.so.1"),
                                .file = text("/lib/libz.so.1"),
                                .module = text("/lib/libz.so.1"),
                                .build_id = text("aa")};
    assert_int_equal(symbols_define_native(s, 1, &f), 0);
    symbols_define_native(s, 2, &f);
    f.build_id = text("bb");
    symbols_define_native(s, 3, &f);
    f.kind = FUNCTION_NATIVE;
    symbols_define_native(s, 4, &f);
    f.module = text("/opt/libz.so.1");
    symbols_define_native(s, 5, &f);
    assert_true(s->has_native);
    const uint32_t same[] = {0, 1, 1, 3, 4, 5};
    for (uint32_t id = 1; id <= 5; id++)
        assert_int_equal(symbols_function(s, id)->same, same[id]);
    assert_string_equal(symbols_function(s, 2)->build_id->bytes, "aa");
    assert_string_equal(symbols_function(s, 5)->module->bytes, "/opt/libz.so.1");
}

static void test_symbols__five_thousand_functions_stay_apart(void **state)
{
    struct symbols *s = *state;
    char buffer[32];
    for (uint32_t id = 1; id <= 10000; id++) { /* each twice */
        snprintf(buffer, sizeof buffer, "f%u", id % 5000);
        assert_int_equal(
            symbols_define_function(s, id, FUNCTION_PYTHON, text(buffer), text("job.py"), id), 0);
    }
    assert_false(s->has_native);
    for (uint32_t id = 1; id <= 10000; id++) {
        assert_int_equal(symbols_function(s, id)->same, id <= 5000 ? id : id - 5000);
        assert_int_equal(symbols_function(s, id)->first_line, id);
    }
}

static void test_symbols__what_no_block_defined_is_unknown(void **state)
{
    struct symbols *s = *state;
    symbols_define_function(s, 5, FUNCTION_PYTHON, text(""), text(""), 0);
    assert_non_null(symbols_function(s, 5));
    assert_null(symbols_function(s, 4));
    assert_null(symbols_function(s, FUNCTION_UNKNOWN));
    assert_null(symbols_stack(s, STACK_EMPTY));
    assert_null(symbols_stack(s, STACK_UNKNOWN));
    assert_null(symbols_stack(s, 0xFFFFFFFF));
}

static void test_symbols__a_second_definition_replaces_nothing(void **state)
{
    struct symbols *s = *state;
    symbols_define_stack(s, 7, 2, 1, 10);
    symbols_define_stack(s, 7, 3, 2, 20);
    assert_int_equal(symbols_frame(s, symbols_stack(s, 7))->line, 10);
    symbols_define_function(s, 1, FUNCTION_PYTHON, text("a"), text(""), 0);
    symbols_define_function(s, 1, FUNCTION_PYTHON, text("b"), text(""), 0);
    assert_string_equal(symbols_function(s, 1)->name->bytes, "a");
}

static void test_symbols__equal_frames_are_one(void **state)
{
    struct symbols *s = *state;
    for (uint32_t id = 2; id < 30000; id++)
        symbols_define_stack(s, id, id / 2, id % 70, id % 100);
    assert_int_equal(s->frame_count, 700);
    for (uint32_t id = 2; id < 30000; id++) {
        assert_int_equal(symbols_frame(s, symbols_stack(s, id))->function, id % 70);
        assert_int_equal(symbols_frame(s, symbols_stack(s, id))->line, id % 100);
        assert_int_equal(symbols_stack(s, id)->parent_plus_1, id / 2 + 1);
    }
    for (uint32_t id = 40000; id < 60000; id++)
        symbols_define_stack(s, id, 0, 1, UINT64_MAX - id);
    assert_int_equal(symbols_frame(s, symbols_stack(s, 50000))->line, UINT64_MAX - 50000);
    assert_int_equal(sizeof(struct stack_node), 8);
}

static void test_symbols__a_parent_is_always_smaller(void **state)
{
    struct symbols *s = *state;
    symbols_define_stack(s, 5, 5, 1, 1);
    symbols_define_stack(s, 6, 4000000000u, 1, 1);
    assert_int_equal(symbols_stack(s, 5)->parent_plus_1, STACK_UNKNOWN + 1);
    assert_int_equal(symbols_stack(s, 6)->parent_plus_1, STACK_UNKNOWN + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_symbols__equal_texts_are_one_pointer, start, stop),
        cmocka_unit_test_setup_teardown(test_symbols__ten_thousand_texts_stay_apart, start, stop),
        cmocka_unit_test_setup_teardown(test_symbols__an_equal_function_finds_its_first_definition,
                                        start, stop),
        cmocka_unit_test_setup_teardown(test_symbols__machine_code_is_told_apart_by_its_module,
                                        start, stop),
        cmocka_unit_test_setup_teardown(test_symbols__five_thousand_functions_stay_apart, start,
                                        stop),
        cmocka_unit_test_setup_teardown(test_symbols__what_no_block_defined_is_unknown, start,
                                        stop),
        cmocka_unit_test_setup_teardown(test_symbols__a_second_definition_replaces_nothing, start,
                                        stop),
        cmocka_unit_test_setup_teardown(test_symbols__equal_frames_are_one, start, stop),
        cmocka_unit_test_setup_teardown(test_symbols__a_parent_is_always_smaller, start, stop),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
