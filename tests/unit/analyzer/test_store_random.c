/* Random histories, each as a trace and as the database made of it: every report of one is that of
 * the other, byte by byte. Not here: real runs and hand-made traces (tests/e2e/test_database.py).
 */
#include "analyzer/report.h"
#include "analyzer/store.h"
#include "analyzer/tool.h"
#include "tests/unit/replay/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void no_progress(void *context, uint64_t done, uint64_t of)
{
    (void)context;
    (void)done;
    (void)of;
}

static struct options parse(const char *const *words)
{
    struct options options;
    struct err err = {0};
    char *argv[12] = {"memreplay"};
    int argc = 1;
    while (words[argc - 1]) {
        argv[argc] = (char *)words[argc - 1];
        argc++;
    }
    if (options_parse(&options, argc, argv, &err))
        fail_msg("%s", err.text);
    return options;
}

static int write_report(struct report *report)
{
    switch (report->options->command) {
    case COMMAND_leaks: return leaks_report(report);
    case COMMAND_temporary: return temporary_report(report);
    case COMMAND_summary: return summary_report(report);
    case COMMAND_timeline: return timeline_report(report);
    default: return peak_report(report);
    }
}

/* What a command says of a file; to be freed. */
static char *said(const struct options *options, const char *path)
{
    char *text = 0;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    struct recording *rec = calloc(1, sizeof *rec);
    struct report report;
    struct err err = {0};
    assert_non_null(out);
    assert_non_null(rec);
    if (recording_open(rec, path, &err) || recording_replay(rec, options, 0, 0, &err)) {
        fprintf(out, "refused: %d", err.code);
    } else {
        report_init(&report, options, rec, out);
        assert_int_equal(write_report(&report), 0);
    }
    recording_close(rec);
    free(rec);
    fclose(out);
    return text;
}

static void compare(const char *const *words, const char *trace, const char *database)
{
    struct options options = parse(words);
    char *of_trace = said(&options, trace), *of_database = said(&options, database);
    assert_string_equal(of_database, of_trace);
    free(of_trace);
    free(of_database);
}

static void convert(const char *trace, const char *database)
{
    const char *const words[] = {"sqlite", "-f", "-o", database, trace, 0};
    struct options options = parse(words);
    struct work work = {no_progress, 0, stderr, false};
    struct err err = {0};
    if (sqlite_run(&options, &work, &err))
        fail_msg("%s", err.text);
}

static void test_store__a_database_says_what_its_trace_says(void **state)
{
    static const char *const questions[][6] = {
        {"peak", "x"},
        {"peak", "--json", "x"},
        {"peak", "--table", "x"},
        {"leaks", "--json", "x"},
        {"temporary", "--json", "x"},
        {"summary", "x"},
        {"summary", "--json", "x"},
        {"timeline", "--json", "x"},
        {"peak", "--json", "--at", "end", "x"},
        {"summary", "--json", "--at", "m3", "x"},
        {"peak", "--json", "--at", "start", "x"},
        {"peak", "--json", "--at", "m0", "x"},
        {"peak", "--json", "--at", "m1", "x"},
    };
    static struct world w;
    char folder[] = "/tmp/memrec-store-XXXXXX", trace[64], database[64];
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(trace, sizeof trace, "%s/trace", folder);
    snprintf(database, sizeof database, "%s/table", folder);
    for (uint64_t seed = 1; seed <= 40; seed++) {
        begin(&w, seed);
        live_history(&w);
        maker_save(&w.maker, trace);
        convert(trace, database);
        for (size_t i = 0; i < sizeof questions / sizeof *questions; i++)
            compare(questions[i], trace, database);
        maker_release(&w.maker);
    }
    unlink(trace);
    unlink(database);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store__a_database_says_what_its_trace_says)};
    return cmocka_run_group_tests(tests, 0, 0);
}
