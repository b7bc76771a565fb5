/* The command line: what is understood, what is refused. Sentences and help pages are tested end to
 * end. */
#include "replay/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

/* Parses words separated by blanks. */
static int parse(struct options *o, const char *line)
{
    static char words[500];
    char *argv[20] = {"memreplay"};
    int argc = 1;
    struct err err = {0};
    strcpy(words, line);
    for (char *word = strtok(words, " "); word; word = strtok(0, " "))
        argv[argc++] = word;
    int rc = options_parse(o, argc, argv, &err);
    assert_int_equal(rc != 0, err.text[0] != 0);
    return rc;
}

static void test_options__values_come_in_every_spelling(void **state)
{
    (void)state;
    struct options o;
    assert_int_equal(parse(&o, "peak --pid 42 -o out.json --json t.lz4"), 0);
    assert_int_equal(o.command, COMMAND_peak);
    assert_true(o.has_pid && o.json && !o.table);
    assert_int_equal(o.pid, 42);
    assert_string_equal(o.output, "out.json");
    assert_string_equal(o.trace, "t.lz4");
    assert_int_equal(parse(&o, "peak t.lz4 --pid=42 -oout.json -f"), 0);
    assert_int_equal(o.pid, 42);
    assert_string_equal(o.output, "out.json");
    assert_true(o.force);
    assert_int_equal(parse(&o, "leaks --from 80% --to end t.lz4"), 0);
    assert_int_equal(o.from.kind, WHEN_SHARE);
    assert_int_equal(o.to.kind, WHEN_END);
}

static void test_options__a_dash_is_stdin_and_two_end_the_options(void **state)
{
    (void)state;
    struct options o;
    assert_int_equal(parse(&o, "peak -"), 0);
    assert_string_equal(o.trace, "-");
    assert_int_equal(parse(&o, "peak -- --json"), 0);
    assert_string_equal(o.trace, "--json");
    assert_false(o.json);
}

static void test_options__what_a_command_does_not_take_is_wrong_usage(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",
                                        "peak",
                                        "peak a b",
                                        "peek a",
                                        "verify --pid 1 a",
                                        "--json",
                                        "peak --jsn a",
                                        "peak --json=yes a",
                                        "peak --pid a",
                                        "peak --pid -1 a",
                                        "peak --pid 1x a",
                                        "peak a --at",
                                        "peak --at= a",
                                        "leaks --from end a",
                                        "peak --threshold 2 a",
                                        "peak --json --table a",
                                        "peak --pid 99999999999999999999 a"};
    struct options o;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(parse(&o, wrong[i]), -ERR_USAGE);
}

static void test_options__too_many_words_are_refused_with_their_name_and_number(void **state)
{
    (void)state;
    struct options o;
    struct err err = {0};
    char *argv[OPTIONS_WORDS + 3] = {"memreplay", "summary"};
    for (int i = 0; i <= OPTIONS_WORDS; i++)
        argv[2 + i] = "t.lz4";
    assert_int_equal(options_parse(&o, OPTIONS_WORDS + 3, argv, &err), -ERR_USAGE);
    assert_non_null(strstr(err.text, "traces: at most 64"));
    assert_int_equal(options_parse(&o, OPTIONS_WORDS + 2, argv, &err), -ERR_USAGE);
    assert_null(strstr(err.text, "at most")); /* so many there may be, but not of summary */
}

static void test_options__help_needs_no_trace(void **state)
{
    (void)state;
    struct options o;
    assert_int_equal(parse(&o, "--help"), 0);
    assert_true(o.help && !o.has_command);
    assert_int_equal(parse(&o, "leaks -h"), 0);
    assert_true(o.help && o.has_command && o.command == COMMAND_leaks);
    assert_int_equal(parse(&o, "peak --version"), 0);
    assert_true(o.version);
}

static struct when when(const char *text)
{
    struct when w;
    struct err err;
    assert_int_equal(when_parse(&w, text, &err), 0);
    return w;
}

static void test_when__knows_words_times_shares_and_marks(void **state)
{
    (void)state;
    assert_int_equal(when("peak").kind, WHEN_PEAK);
    assert_int_equal(when("start").kind, WHEN_START);
    assert_int_equal(when("end").kind, WHEN_END);
    assert_int_equal(when("12.5s").time_ns, 12500000000u);
    assert_int_equal(when("300ms").time_ns, 300000000u);
    assert_int_equal(when("2m").time_ns, 120000000000u);
    assert_int_equal(when("1.5h").time_ns, 5400000000000u);
    assert_int_equal(when("7ns").time_ns, 7);
    assert_int_equal(when("80%").share_ppm, 800000);
    assert_int_equal(when("0.5%").share_ppm, 5000);
    assert_int_equal(when("100%").share_ppm, 1000000);
    assert_int_equal(when("loaded").kind, WHEN_MARK);
    assert_int_equal(when("12 monkeys").kind, WHEN_MARK);
    assert_int_equal(when("-3s").kind, WHEN_MARK);
    assert_string_equal(when("loaded").mark, "loaded");
    assert_string_equal(when("mark:peak").mark, "peak");
    assert_string_equal(when("mark:12.5s").mark, "12.5s");
    assert_string_equal(when("mark:").mark, "mark:");
    assert_null(when("12.5s").mark);
}

static void test_when__refuses_what_cannot_be(void **state)
{
    (void)state;
    struct when w;
    struct err err;
    assert_int_equal(when_parse(&w, "101%", &err), -ERR_USAGE);
    assert_int_equal(when_parse(&w, "9e300h", &err), -ERR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options__values_come_in_every_spelling),
        cmocka_unit_test(test_options__a_dash_is_stdin_and_two_end_the_options),
        cmocka_unit_test(test_options__what_a_command_does_not_take_is_wrong_usage),
        cmocka_unit_test(test_options__too_many_words_are_refused_with_their_name_and_number),
        cmocka_unit_test(test_options__help_needs_no_trace),
        cmocka_unit_test(test_when__knows_words_times_shares_and_marks),
        cmocka_unit_test(test_when__refuses_what_cannot_be),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
