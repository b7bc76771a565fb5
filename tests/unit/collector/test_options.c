/* The command line of `memrec run`: forms, options, sizes, and what is refused. The programs
 * themselves are started in tests/e2e/test_launcher.py. */
#include "recorder/collector/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define READ(o, err, ...) read_words(o, err, (char *[]){"run", __VA_ARGS__, NULL})

static int read_words(struct options *o, struct err *err, char **words)
{
    int count = 0;
    while (words[count])
        count++;
    *err = (struct err){0};
    return options_read(o, count, words, err);
}

static void test_options__defaults(void **state)
{
    (void)state;
    struct options o;
    struct err err;
    assert_int_equal(READ(&o, &err, "job.py"), 0);
    assert_int_equal(o.form, RUN_SCRIPT);
    assert_string_equal(o.arguments[0], "job.py");
    assert_null(o.arguments[1]);
    assert_null(o.output);
    assert_false(o.force || o.quiet || o.help);
    assert_true(o.objects && o.stacks);
    assert_int_equal(o.children, 'p');
    assert_int_equal(o.max_bytes, 0);
}

static void test_options__what_follows_the_script_is_the_scripts(void **state)
{
    (void)state;
    struct options o;
    struct err err;
    assert_int_equal(READ(&o, &err, "-q", "job.py", "-f", "--help", "--", "-o"), 0);
    assert_true(o.quiet && !o.force && !o.help);
    assert_string_equal(o.arguments[1], "-f");
    assert_string_equal(o.arguments[4], "-o");
    assert_int_equal(READ(&o, &err, "-m", "a.b", "-f", "--no-objects"), 0);
    assert_int_equal(o.form, RUN_MODULE);
    assert_true(!o.force && o.objects);
    assert_string_equal(o.arguments[0], "a.b");
    assert_string_equal(o.arguments[2], "--no-objects");
    assert_int_equal(READ(&o, &err, "-c", "pass", "-q"), 0);
    assert_int_equal(o.form, RUN_CODE);
    assert_string_equal(o.arguments[0], "pass");
    assert_string_equal(o.arguments[1], "-q");
    assert_false(o.quiet);
}

static void test_options__values_may_be_attached(void **state)
{
    (void)state;
    struct options o;
    struct err err;
    assert_int_equal(
        READ(&o, &err, "-ot.lz4", "-fq", "--max-size=2KiB", "--children=all", "-mjson.tool", "x"),
        0);
    assert_string_equal(o.output, "t.lz4");
    assert_true(o.force && o.quiet);
    assert_int_equal(o.max_bytes, 2048);
    assert_int_equal(o.children, 'a');
    assert_int_equal(o.form, RUN_MODULE);
    assert_string_equal(o.arguments[0], "json.tool");
    assert_string_equal(o.arguments[1], "x");
}

static void test_options__two_dashes_begin_a_program(void **state)
{
    (void)state;
    struct options o;
    struct err err;
    assert_int_equal(READ(&o, &err, "--no-objects", "--", "gunicorn", "app:app", "--", "-q"), 0);
    assert_int_equal(o.form, RUN_PROGRAM);
    assert_string_equal(o.arguments[0], "gunicorn");
    assert_string_equal(o.arguments[2], "--");
    assert_false(o.objects);
    assert_int_equal(READ(&o, &err, "-o", "--", "job.py"), 0); /* the value of -o */
    assert_int_equal(o.form, RUN_SCRIPT);
    assert_string_equal(o.output, "--");
}

static void test_options__wrong_usage_has_a_sentence(void **state)
{
    (void)state;
    static char *lines[][4] = {
        {"run", NULL},
        {"run", "-q", NULL},
        {"run", "--", NULL},
        {"run", "-o", NULL},
        {"run", "-m", NULL},
        {"run", "-c", NULL},
        {"run", "--no-such", "x", NULL},
        {"run", "-z", "x", NULL},
        {"run", "--children", "some", NULL},
        {"run", "--children", "p", NULL},
        {"run", "--max-size", "0", NULL},
        {"run", "--max-size", "much", NULL},
        {"run", "--sample", "x", NULL},
        {"run", "--sample=1MiB", "x", NULL},
        {"run", "--quiet=1", "x", NULL},
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct options o;
        struct err err;
        if (read_words(&o, &err, lines[i]) != -ERR_USAGE || strlen(err.text) < 10)
            fail_msg("line %zu was taken: %s", i, err.text);
    }
}

static void test_options__help_needs_nothing_else(void **state)
{
    (void)state;
    struct options o;
    struct err err;
    assert_int_equal(READ(&o, &err, "--help"), 0);
    assert_true(o.help);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options__defaults),
        cmocka_unit_test(test_options__what_follows_the_script_is_the_scripts),
        cmocka_unit_test(test_options__values_may_be_attached),
        cmocka_unit_test(test_options__two_dashes_begin_a_program),
        cmocka_unit_test(test_options__wrong_usage_has_a_sentence),
        cmocka_unit_test(test_options__help_needs_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
