/* The golden traces: what every version ever released must still say, in words (tests/golden/). */
#include "tests/unit/format/built.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void header_in_words(struct words *w, const struct trace_header *h)
{
    words_add(w,
              "trace version %u flags %" PRIu32 " unix %" PRIu64 " mono %" PRIu64 " sample %" PRIu64
              " pid %" PRIu32 " page %" PRIu32 "\n",
              h->version, h->flags, h->started_unix_ns, h->started_mono_ns, h->sample_bytes,
              h->root_pid, h->page_bytes);
    for (uint32_t i = 0; i < h->argument_count; i++)
        words_text(w, "argument", h->arguments[i]);
    words_add(w, "\n");
}

static void trace_in_words(struct words *w, const char *path)
{
    struct trace_reader *reader;
    struct seen s = {0};
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(trace_reader_open(&reader, fd, path, NULL), 0);
    header_in_words(w, trace_reader_header(reader));
    seen_parts(&s, reader);
    assert_true(s.complete && s.damage_count == 0 && s.decoded == 0);
    for (uint32_t i = 0; i < s.block_count; i++)
        words_add(w, "block %" PRIu32 "\n%s", s.sequences[i], s.words[i].text);
    words_add(w,
              "trailer flags %u events %" PRIu64 " allocs %" PRIu64 " end %" PRIu64
              " blocks %" PRIu32 "\n",
              s.trailer.flags, s.trailer.events, s.trailer.allocs, s.trailer.end_ns,
              s.trailer.blocks);
    seen_release(&s);
    trace_reader_close(reader);
    close(fd);
}

/* The whole file as a string; the caller frees it. */
static char *file_text(const char *path)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *text = calloc(1, 100000);
    assert_true(fread(text, 1, 99999, file) < 99999);
    fclose(file);
    return text;
}

static void reads_as(const char *trace, const char *expected_path)
{
    struct words words = {0};
    char *expected = file_text(expected_path);
    trace_in_words(&words, trace);
    assert_string_equal(words.text, expected);
    free(expected);
    free(words.text);
}

static void test_golden__version_1_reads_as_it_was_written(void **state)
{
    (void)state;
    reads_as("tests/golden/v1.lz4", "tests/golden/v1.txt");
}

static void test_golden__version_2_reads_as_it_was_written(void **state)
{
    (void)state;
    reads_as("tests/golden/v2.lz4", "tests/golden/v2.txt");
}

static void test_golden__version_3_reads_as_it_was_written(void **state)
{
    (void)state;
    reads_as("tests/golden/v3.lz4", "tests/golden/v3.txt");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden__version_1_reads_as_it_was_written),
        cmocka_unit_test(test_golden__version_2_reads_as_it_was_written),
        cmocka_unit_test(test_golden__version_3_reads_as_it_was_written),
    };
    return cmocka_run_group_tests_name("golden", tests, NULL, NULL);
}
