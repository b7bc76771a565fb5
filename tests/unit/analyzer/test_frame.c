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

#define NUMPY  "/v/lib/python3.11/site-packages/numpy/_core/"
#define TAGGED "_umath.cpython-311-x86_64-linux-gnu.so"

static struct text words(const char *text) { return (struct text){text, (uint32_t)strlen(text)}; }

/* A function of the module; file NULL: the module is all that is known of its place. */
static uint32_t define_native(const char *file, const char *module, bool is_address)
{
    static uint32_t id = 5000;
    struct native_function f = {.kind = FUNCTION_NATIVE,
                                .name = words("f"),
                                .file = words(file ? file : module),
                                .module = words(module),
                                .is_address = is_address};
    symbols_define_native(&symbols, ++id, &f);
    return id;
}

static void placed(uint32_t id, uint64_t line, const char *expected)
{
    struct frame_style style = {false, 0};
    char out[300];
    frame_place(out, sizeof out, &symbols, id, line, &style);
    assert_string_equal(out, expected);
}

static void test_frame__machine_code_says_its_source_its_module_or_that_one_s_file(void **state)
{
    (void)state;
    struct frame_style style = {false, 0};
    char package[50];
    placed(define_native("/tmp/build/src/umath.c", NUMPY TAGGED, false), 7, "src/umath.c:7");
    placed(define_native("../umath.c", NUMPY TAGGED, false), 7, "umath.c:7");
    placed(define_native("./umath.c", NUMPY TAGGED, false), 7, "umath.c:7");
    placed(define_native("/umath.c", NUMPY TAGGED, false), 7, "umath.c:7");
    placed(define_native("umath.c", NUMPY TAGGED, false), 7, "umath.c:7");
    placed(define_native("a/umath.c", NUMPY TAGGED, false), 7, "a/umath.c:7");
    placed(define_native(NUMPY "src/umath.c", NUMPY TAGGED, false), 7, "numpy/_core/src/umath.c:7");
    placed(define_native(NULL, NUMPY TAGGED, false), 0, "_umath.so");
    placed(define_native(NULL, NUMPY TAGGED, true), 0, "numpy/_core/_umath.so");
    placed(define_native(NULL, "/usr/lib/libz.so.1.2", false), 0, "libz.so.1.2");
    placed(define_native(NULL, "/usr/lib/libz.so.1.2", true), 0, "/usr/lib/libz.so.1.2");
    placed(define_native(NULL, "/opt/x.cpython-311-tag", false), 0, "x.cpython-311-tag");
    placed(define_native(NULL, "[vdso]", true), 0, "");
    uint32_t id = define_native("/src/umath.c", NUMPY TAGGED, false);
    frame_package(package, sizeof package, &symbols, id, &style);
    assert_string_equal(package, "_umath");
    assert_true(frame_native(&symbols, id) && frame_library(&symbols, id));
    assert_false(frame_native(&symbols, define(FUNCTION_PYTHON, "f", "/home/a/job.py")));
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
        cmocka_unit_test_setup_teardown(
            test_frame__machine_code_says_its_source_its_module_or_that_one_s_file, start, stop),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
