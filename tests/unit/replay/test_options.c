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
    char *argv[40] = {"memreplay"};
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

static void test_options__each_value_has_its_place(void **state)
{
    (void)state;
    struct options o;
    assert_int_equal(parse(&o, "check --max-peak 1 --max-rss 2 --max-leaks 3 --max-temporary 4 "
                               "--max-growth 5 --limit a=6 --limit b=7 --limits f.toml "
                               "--baseline old.lz4 t.lz4"),
                     0);
    assert_int_equal(o.max_peak.bytes, 1);
    assert_int_equal(o.max_rss.bytes, 2);
    assert_int_equal(o.max_leaks.bytes, 3);
    assert_int_equal(o.max_temporary.bytes, 4);
    assert_int_equal(o.max_growth.bytes, 5);
    assert_int_equal(o.limits.count, 2);
    assert_string_equal(o.limits.items[0], "a=6");
    assert_string_equal(o.limits.items[1], "b=7");
    assert_string_equal(o.limits_file, "f.toml");
    assert_string_equal(o.baseline, "old.lz4");
    assert_string_equal(o.trace, "t.lz4");
    assert_false(o.noise.given || o.has_pid || o.thread);
    assert_int_equal(parse(&o, "check --max-growth 5% t.lz4"), 0);
    assert_int_equal(parse(&o, "check --max-peak 5% t.lz4"), -ERR_USAGE);
    assert_int_equal(parse(&o, "export --thread main --format csv --threshold 7 -o - t.lz4"), 0);
    assert_string_equal(o.thread, "main");
    assert_string_equal(o.format, "csv");
    assert_string_equal(o.output, "-");
    assert_int_equal(o.threshold, 7);
    assert_int_equal(parse(&o, "export t.lz4"), 0);
    assert_int_equal(o.threshold, 1);
}

static void test_options__each_word_sets_its_own_flag(void **state)
{
    (void)state;
    struct options o;
    assert_int_equal(parse(&o, "flamegraph --leaks --svg -f t.lz4"), 0);
    assert_true(o.leaks && o.svg && o.force);
    assert_false(o.temporary || o.inverted || o.no_source || o.totals || o.no_color || o.full);
    assert_int_equal(parse(&o, "flamegraph --temporary --inverted --no-source t.lz4"), 0);
    assert_true(o.temporary && o.inverted && o.no_source);
    assert_false(o.leaks || o.svg || o.force || o.totals || o.no_color || o.full);
    assert_int_equal(parse(&o, "diff --totals --full --html a b"), 0);
    assert_true(o.totals && o.full && o.html);
    assert_false(o.markdown || o.json || o.table || o.leaks || o.temporary);
    assert_int_equal(parse(&o, "diff --markdown --no-color a b"), 0);
    assert_true(o.markdown && o.no_color && !o.html);
}

static void test_options__two_sides_of_several_runs(void **state)
{
    (void)state;
    struct options o;
    assert_int_equal(parse(&o, "diff --before a b c --after d e"), 0);
    assert_int_equal(o.before.count, 3);
    assert_string_equal(o.before.items[2], "c");
    assert_int_equal(o.after.count, 2);
    assert_string_equal(o.after.items[0], "d");
    assert_int_equal(o.traces.count, 0);
    assert_int_equal(parse(&o, "diff --before a"), -ERR_USAGE);
    assert_int_equal(parse(&o, "diff --after a"), -ERR_USAGE);
    assert_int_equal(parse(&o, "diff x --before a --after b"), -ERR_USAGE);
    assert_int_equal(parse(&o, "diff a b"), 0);
    assert_int_equal(o.traces.count, 2);
    assert_int_equal(parse(&o, "diff a b c"), -ERR_USAGE);
    assert_int_equal(parse(&o, "diff a"), 0); /* two moments of one run */
}

static void test_options__a_moment_or_a_window(void **state)
{
    (void)state;
    struct options o;
    assert_int_equal(parse(&o, "peak --at end t"), 0);
    assert_int_equal(o.at.kind, WHEN_END);
    assert_int_equal(parse(&o, "peak --at end --from 1s t"), -ERR_USAGE);
    assert_int_equal(parse(&o, "peak --at end --to 1s t"), -ERR_USAGE);
    assert_int_equal(parse(&o, "peak --from 1s t"), 0);
    assert_int_equal(o.to.kind, WHEN_NONE);
    assert_int_equal(parse(&o, "peak --pid 2147483647 t"), 0);
    assert_int_equal(parse(&o, "peak --pid 2147483648 t"), -ERR_USAGE);
    assert_int_equal(parse(&o, "temporary --threshold 0 t"), -ERR_USAGE);
}

static char *help_of(const char *line)
{
    static char text[10000];
    struct options o;
    FILE *out = fmemopen(text, sizeof text, "w");
    assert_int_equal(parse(&o, line), 0);
    options_help(&o, out);
    fclose(out);
    return text;
}

/* A page tells what its command takes, and nothing else. */
static void test_options__a_page_of_help_for_each_command(void **state)
{
    (void)state;
    const char *page = help_of("--help");
    assert_non_null(strstr(page, "  summary     what ran,"));
    assert_non_null(strstr(page, "  check       a budget for CI"));
    assert_non_null(
        strstr(page, "\nExit status: 0 done, 1 a check that fails, 2 wrong usage, 3 a file that is "
                     "no trace or "));
    assert_null(strstr(page, "--threshold"));
    page = help_of("temporary --help");
    assert_ptr_equal(strstr(page, "memreplay temporary [options] TRACE\n  allocations freed"),
                     page);
    assert_non_null(strstr(page, "\n      --threshold N           freed within"));
    assert_non_null(strstr(page, "\n  -h, --help                  this page\n"));
    assert_non_null(strstr(page, "Example:\n  memreplay temporary --threshold 10 trace.lz4\n"));
    assert_null(strstr(page, "--max-peak"));
    page = help_of("verify --help");
    assert_null(strstr(page, "--threshold"));
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
        cmocka_unit_test(test_options__each_value_has_its_place),
        cmocka_unit_test(test_options__each_word_sets_its_own_flag),
        cmocka_unit_test(test_options__two_sides_of_several_runs),
        cmocka_unit_test(test_options__a_moment_or_a_window),
        cmocka_unit_test(test_options__a_page_of_help_for_each_command),
        cmocka_unit_test(test_options__a_dash_is_stdin_and_two_end_the_options),
        cmocka_unit_test(test_options__what_a_command_does_not_take_is_wrong_usage),
        cmocka_unit_test(test_options__too_many_words_are_refused_with_their_name_and_number),
        cmocka_unit_test(test_options__help_needs_no_trace),
        cmocka_unit_test(test_when__knows_words_times_shares_and_marks),
        cmocka_unit_test(test_when__refuses_what_cannot_be),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
