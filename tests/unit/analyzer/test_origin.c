/* Where files come from: the same file of two installations, and different ones that look alike. */
#include "analyzer/origin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static struct symbols symbols;
static struct origins origins;
static struct origin found;

static const struct name *name(const char *text)
{
    return symbols_name(&symbols, (struct text){text, (uint32_t)strlen(text)});
}

static int start(void **state)
{
    (void)state;
    if (symbols_init(&symbols))
        return -1;
    origins = (struct origins){.home = name("/home/ana/job/"),
                               .script = name("/home/ana/job/job.py"),
                               .prefix = {"/home/ana/.venv/", 16}};
    return 0;
}

static int stop(void **state)
{
    (void)state;
    symbols_release(&symbols);
    return 0;
}

static const char *key(const char *file, uint8_t kind)
{
    static char text[600];
    origin_find(&found, &origins, name(file), kind);
    text[0] = found.kind;
    memcpy(text + 1, found.rest.bytes, found.rest.length);
    text[1 + found.rest.length] = 0;
    return text;
}

static const char *python(const char *file) { return key(file, FUNCTION_PYTHON); }

static void test_origin__libraries_begin_below_their_folder(void **state)
{
    (void)state;
    assert_string_equal(python("/home/a/.venv/lib/python3.11/site-packages/pandas/io/x.py"),
                        "Lpandas/io/x.py");
    assert_string_equal(python("/usr/lib/python3/dist-packages/yaml/__init__.py"),
                        "Lyaml/__init__.py");
    assert_string_equal(python("/usr/lib/python3.9/json/decoder.py"), "Ljson/decoder.py");
    assert_string_equal(python("/usr/lib64/python3.13/json/decoder.py"), "Ljson/decoder.py");
}

static void test_origin__what_is_frozen_has_a_file_elsewhere(void **state)
{
    (void)state;
    assert_string_equal(python("<frozen posixpath>"), "Lposixpath.py");
    assert_string_equal(python("<frozen importlib._bootstrap>"), "Limportlib/_bootstrap.py");
    assert_string_equal(python("<frozen >"), "O<frozen >");
    assert_string_equal(python("<string>"), "O<string>");
    char endless[400] = "<frozen ";
    memset(endless + 8, 'a', 300);
    strcat(endless, ">");
    assert_int_equal(python(endless)[0], 'O');
}

static void test_origin__the_program_s_own_files_by_their_role(void **state)
{
    (void)state;
    assert_string_equal(python("/home/ana/job/job.py"), "S");
    assert_string_equal(python("/home/ana/job/lib/load.py"), "Hlib/load.py");
    assert_string_equal(python("/home/ana/jobs/load.py"), "O/home/ana/jobs/load.py");
    assert_string_equal(python("/home/ana/.venv/bin/pytest"), "Pbin/pytest");
    assert_string_equal(python("/srv/app.py"), "O/srv/app.py");
    assert_string_equal(python(""), "O");
}

static void test_origin__machine_code_has_no_version(void **state)
{
    (void)state;
    assert_string_equal(key("/usr/lib/libfoo.so.1.2", FUNCTION_MODULE), "Mlibfoo");
    assert_string_equal(
        key("/v/site-packages/x/y.cpython-311-x86_64-linux-gnu.so", FUNCTION_NATIVE), "My");
    assert_string_equal(key("/srv/src/parse.c", FUNCTION_NATIVE), "O/srv/src/parse.c");
    assert_string_equal(python("/home/ana/job/libfoo.so.py"), "Hlibfoo.so.py");
}

/* What a model of one process with these arguments tells. */
static void learn(struct model *m, const struct name **arguments, uint32_t count,
                  const char *const *modules)
{
    model_init(m);
    uint32_t id = FUNCTION_FIRST;
    for (; *modules; modules++, id++)
        symbols_define_function(&m->symbols, id, FUNCTION_PYTHON, (struct text){"<module>", 8},
                                (struct text){*modules, (uint32_t)strlen(*modules)}, 1);
    struct record record = {.type = RECORD_PROCESS};
    record.process.executable = (struct text){"/opt/venv/bin/python3", 21};
    model_define_process(m, &record, 0);
    struct process *root = model_root(m);
    root->arguments = arguments;
    root->argument_count = count;
    origins_learn(&origins, m);
    root->arguments = 0;
    root->argument_count = 0;
}

static void test_origin__the_script_is_what_the_arguments_name(void **state)
{
    (void)state;
    struct model m;
    const struct name *arguments[] = {name("python3"), name("-u"), name("./v2/job.py"),
                                      name("data.csv")};
    const char *const modules[] = {"/usr/lib/python3.11/runpy.py", "/srv/v1/job.py",
                                   "/srv/v2/xjob.py", "/srv/v2/job.py", 0};
    learn(&m, arguments, 4, modules);
    assert_string_equal(origins.script->bytes, "/srv/v2/job.py");
    assert_string_equal(origins.home->bytes, "/srv/v2/");
    assert_int_equal(origins.prefix.length, strlen("/opt/venv/"));
    model_release(&m);
}

static void test_origin__without_a_script_the_first_own_module_is_home(void **state)
{
    (void)state;
    struct model m;
    const struct name *arguments[] = {name("python3"), name("-m"), name("pkg.tool")};
    const char *const modules[] = {"/usr/lib/python3.11/runpy.py", "/srv/pkg/tool.py", 0};
    learn(&m, arguments, 3, modules);
    assert_null(origins.script);
    assert_string_equal(origins.home->bytes, "/srv/pkg/");
    model_release(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_origin__libraries_begin_below_their_folder, start,
                                        stop),
        cmocka_unit_test_setup_teardown(test_origin__what_is_frozen_has_a_file_elsewhere, start,
                                        stop),
        cmocka_unit_test_setup_teardown(test_origin__the_program_s_own_files_by_their_role, start,
                                        stop),
        cmocka_unit_test_setup_teardown(test_origin__machine_code_has_no_version, start, stop),
        cmocka_unit_test_setup_teardown(test_origin__the_script_is_what_the_arguments_name, start,
                                        stop),
        cmocka_unit_test_setup_teardown(test_origin__without_a_script_the_first_own_module_is_home,
                                        start, stop),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
