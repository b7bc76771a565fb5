/* Frames in words: which part of a path tells something. */
#include "analyzer/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static struct symbols symbols;
static uint32_t next_id;

static int start(void **state)
{
    (void)state;
    next_id = 1;
    return symbols_init(&symbols);
}

static int stop(void **state)
{
    (void)state;
    symbols_release(&symbols);
    return 0;
}

static uint32_t define(uint8_t kind, const char *name, const char *file)
{
    symbols_define_function(&symbols, next_id, kind, (struct text){name, (uint32_t)strlen(name)},
                            (struct text){file, (uint32_t)strlen(file)}, 1);
    return next_id++;
}

static const char *place(const char *file, uint64_t line)
{
    static char out[300];
    struct frame_style style = {false, frame_home(&symbols)};
    frame_place(out, sizeof out, &symbols, define(FUNCTION_PYTHON, "f", file), line, &style);
    return out;
}

static void test_frame__installed_paths_begin_at_the_package(void **state)
{
    (void)state;
    assert_string_equal(place("/home/a/.venv/lib/python3.11/site-packages/pandas/io/x.py", 9),
                        "pandas/io/x.py:9");
    assert_string_equal(place("/usr/lib/python3/dist-packages/yaml/__init__.py", 3),
                        "yaml/__init__.py:3");
    assert_string_equal(place("/usr/lib/python3.11/json/decoder.py", 355), "json/decoder.py:355");
    assert_string_equal(place("<frozen importlib._bootstrap>", 241),
                        "<frozen importlib._bootstrap>:241");
    assert_string_equal(place("/srv/app.py", 0), "/srv/app.py");
}

static void test_frame__the_program_s_own_paths_begin_at_its_script(void **state)
{
    (void)state;
    define(FUNCTION_PYTHON, "<module>", "/usr/lib/python3.11/runpy.py");
    define(FUNCTION_PYTHON, "<module>", "/home/a/job/job.py");
    assert_string_equal(place("/home/a/job/lib/load.py", 5), "lib/load.py:5");
    assert_string_equal(place("/home/a/jobs/other.py", 5), "/home/a/jobs/other.py:5");
}

static void test_frame__libraries_and_their_packages(void **state)
{
    (void)state;
    struct frame_style style = {false, 0};
    char package[50];
    uint32_t pandas = define(FUNCTION_PYTHON, "f", "/x/site-packages/pandas/io.py");
    uint32_t frozen = define(FUNCTION_PYTHON, "f", "<frozen importlib._bootstrap>");
    uint32_t single = define(FUNCTION_PYTHON, "f", "/usr/lib/python3.11/threading.py");
    uint32_t own = define(FUNCTION_PYTHON, "f", "/home/a/job.py");
    assert_true(frame_library(&symbols, pandas) && frame_library(&symbols, frozen) &&
                frame_library(&symbols, single));
    assert_false(frame_library(&symbols, own));
    frame_package(package, sizeof package, &symbols, pandas, &style);
    assert_string_equal(package, "pandas");
    frame_package(package, sizeof package, &symbols, frozen, &style);
    assert_string_equal(package, "importlib");
    frame_package(package, sizeof package, &symbols, single, &style);
    assert_string_equal(package, "threading");
    frame_package(package, sizeof package, &symbols, own, &style);
    assert_string_equal(package, "");
}

static void test_frame__what_has_no_name_is_told_so(void **state)
{
    (void)state;
    struct frame_style style = {false, 0};
    char out[100];
    frame_function(out, sizeof out, &symbols, 99, 3, &style);
    assert_string_equal(out, "(unknown function)");
    frame_place(out, sizeof out, &symbols, 99, 3, &style);
    assert_string_equal(out, "");
    uint32_t module = define(FUNCTION_MODULE, "", "/usr/lib/libfoo.so");
    frame_function(out, sizeof out, &symbols, module, 0x1f0, &style);
    assert_string_equal(out, "+0x1f0");
    frame_place(out, sizeof out, &symbols, module, 0x1f0, &style);
    assert_string_equal(out, "/usr/lib/libfoo.so");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_frame__installed_paths_begin_at_the_package, start,
                                        stop),
        cmocka_unit_test_setup_teardown(test_frame__the_program_s_own_paths_begin_at_its_script,
                                        start, stop),
        cmocka_unit_test_setup_teardown(test_frame__libraries_and_their_packages, start, stop),
        cmocka_unit_test_setup_teardown(test_frame__what_has_no_name_is_told_so, start, stop),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
