/* The file's parts as they are written and read, the source being a file or a pipe. */
#include "format/crc32.h"
#include "format/part.h"
#include "format/wire.h"
#include "tests/unit/format/random.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <cmocka.h>

static void test_trace_file__the_header_comes_back(void **state)
{
    (void)state;
    struct built b;
    struct trace_reader *reader;
    build_small(&b);
    int fd = memfd_create("trace", 0);
    assert_int_equal(write(fd, b.bytes, b.length), b.length);
    lseek(fd, 0, SEEK_SET);
    assert_int_equal(trace_reader_open(&reader, fd, "a trace", NULL), 0);
    const struct trace_header *h = trace_reader_header(reader);
    assert_int_equal(h->version, TRACE_VERSION);
    assert_int_equal(h->flags, TRACE_OBJECTS | TRACE_STACKS);
    assert_true(h->started_unix_ns == 1700000000123456789u && h->started_mono_ns == 5000000000u);
    assert_true(h->sample_bytes == 0 && h->trace_id == BUILT_TRACE_ID);
    assert_true(h->root_pid == 4242 && h->page_bytes == 4096 && h->argument_count == 3);
    assert_memory_equal(h->arguments[0].bytes, "python3", 7);
    assert_memory_equal(h->arguments[1].bytes, "job.py", 6);
    assert_int_equal(h->arguments[2].length, 0);
    trace_reader_close(reader);
    close(fd);
    built_release(&b);
}

static void test_trace_file__parts_of_later_versions_are_passed_over(void **state)
{
    (void)state;
    struct built b;
    struct seen s;
    build_small(&b);
    size_t at = b.blocks[2].offset, extra = SKIPPABLE_BYTES + 300000;
    uint8_t *bytes = calloc(1, b.length + extra);
    memcpy(bytes, b.bytes, at);
    memcpy(part_put_frame(bytes + at, 300000), "MRZZ", 4);
    memcpy(bytes + at + extra, b.bytes + at, b.length - at);
    seen_read(&s, bytes, b.length + extra);
    assert_true(seen_whole(&s, &b));
    seen_release(&s);
    free(bytes);
    built_release(&b);
}

static void test_trace_file__the_index_names_the_blocks(void **state)
{
    (void)state;
    struct built b;
    build_small(&b);
    const uint8_t *table = b.bytes + b.index_offset + SKIPPABLE_BYTES;
    uint32_t size = get_u32(b.bytes + b.index_offset + 4);
    assert_memory_equal(table, "MRIX", 4);
    assert_int_equal(get_u32(table + 4), 5);
    assert_int_equal(size, 4 + 4 + 5 * 40 + 4);
    for (uint32_t i = 0; i < 5; i++) {
        const uint8_t *entry = table + 8 + 40 * i;
        assert_memory_equal(b.bytes + get_u64(entry) + SKIPPABLE_BYTES, "MRBK", 4);
        assert_int_equal(get_u64(entry + 8), b.infos[i].start_ns);
        assert_int_equal(get_u64(entry + 16), b.infos[i].first_event);
        assert_int_equal(get_u64(entry + 24), b.infos[i].first_alloc);
    }
    assert_int_equal(get_u32(table + size - 4), crc32_update(0, table, size - 4));
    built_release(&b);
}

static void test_trace_file__other_files_are_refused_by_name(void **state)
{
    (void)state;
    static const char *const others[] = {"PK\3\4 a zip file of some length",
                                         "\x04\x22\x4D\x18 an LZ4 frame", "#!/usr/bin/python3\n",
                                         "x"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct seen s;
        seen_read(&s, (const uint8_t *)others[i], strlen(others[i]));
        assert_int_equal(s.open, -ERR_NOT_A_TRACE);
        assert_non_null(strstr(s.err.text, "a trace: is not a memrec trace"));
    }
}

/* Blocks that a program's heap would make: some thousand bytes, most of them foreseeable. */
static void build_packed(struct built *b)
{
    struct defined d;
    uint64_t seed = 17;
    built_start(b);
    random_begin(b, &d);
    for (int block = 0; block < 3; block++) {
        for (int i = 0; i < 2000; i++)
            random_allocation(b, &d, &seed);
        built_seal(b);
    }
    built_finish(b);
}

static void test_trace_file__blocks_are_packed_and_say_so(void **state)
{
    (void)state;
    struct built b;
    struct seen s;
    build_packed(&b);
    for (int i = 0; i < 3; i++) {
        const uint8_t *table = b.bytes + b.blocks[i].offset + SKIPPABLE_BYTES;
        uint32_t packed = get_u32(table + 84), payload = get_u32(table + 16);
        assert_true(packed > 0 && packed < payload);
        assert_int_equal(get_u16(table + 6), CODING_2);
    }
    seen_read(&s, b.bytes, b.length);
    assert_true(s.complete && s.damage_count == 0 && s.block_count == 3);
    seen_release(&s);
    built_release(&b);
}

/* What a header says of the packed bytes is held against the frame, and they against the payload.
 */
static void test_trace_file__packed_bytes_that_do_not_fit_cost_one_block(void **state)
{
    (void)state;
    static const struct {
        uint32_t field;
        int32_t change;
    } rows[] = {{84, 1}, {84, -1}, {84, PAYLOAD_MAX_BYTES}, {16, 1}, {16, -1}, {88, 1}};
    for (size_t i = 0; i <= sizeof rows / sizeof *rows; i++) {
        struct built b;
        struct seen s;
        build_packed(&b);
        uint8_t *table = b.bytes + b.blocks[1].offset + SKIPPABLE_BYTES;
        if (i == 0)
            put_u32(table + 84, 0);
        else
            put_u32(table + rows[i - 1].field,
                    get_u32(table + rows[i - 1].field) + (uint32_t)rows[i - 1].change);
        put_u32(table + 92, crc32_update(0, table, 92));
        seen_read(&s, b.bytes, b.length);
        assert_true(s.complete && s.damage_count == 1 && s.block_count == 2);
        seen_release(&s);
        built_release(&b);
    }
}

static void test_trace_file__a_newer_version_is_refused_as_such(void **state)
{
    (void)state;
    struct built b;
    struct seen s;
    build_small(&b);
    uint8_t *table = b.bytes + SKIPPABLE_BYTES;
    put_u16(table + 4, TRACE_VERSION + 1);
    uint32_t crc = crc32_update(0, table, 60);
    put_u32(table + 60, crc32_update(crc, table + 64, get_u32(table + 12)));
    seen_read(&s, b.bytes, b.length);
    assert_int_equal(s.open, -ERR_VERSION);
    assert_non_null(strstr(s.err.text, "version 4"));
    built_release(&b);
}

static void test_trace_file__a_command_that_does_not_fit_its_part_is_damage(void **state)
{
    (void)state;
    static const uint8_t wrong[][3] = {
        {1, 20, 'x'}, {3, 0x80, 0x80}, {0xFF, 0x7F, 0}, {0x80, 0x80, 0x80}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct built b;
        struct seen s;
        build_small(&b);
        uint8_t *table = b.bytes + SKIPPABLE_BYTES;
        memcpy(table + 64, wrong[i], 3);
        memset(table + 67, 0xFF, get_u32(table + 12) - 3);
        uint32_t crc = crc32_update(0, table, 60);
        put_u32(table + 60, crc32_update(crc, table + 64, get_u32(table + 12)));
        seen_read(&s, b.bytes, b.length);
        assert_int_equal(s.open, -ERR_DAMAGED);
        assert_non_null(strstr(s.err.text, "the command"));
        built_release(&b);
    }
}

static void test_trace_file__longer_tables_of_later_writers_are_read(void **state)
{
    (void)state;
    struct built b;
    struct seen s;
    build_small(&b);
    /* the file header grows by 8 bytes between its table and the arguments */
    uint8_t *bytes = calloc(1, b.length + 8), *table = bytes + SKIPPABLE_BYTES;
    size_t front = SKIPPABLE_BYTES + HEADER_TABLE_BYTES;
    memcpy(bytes, b.bytes, front);
    memcpy(bytes + front + 8, b.bytes + front, b.length - front);
    put_u32(bytes + 4, get_u32(bytes + 4) + 8);
    put_u16(table + 6, HEADER_TABLE_BYTES + 8);
    uint32_t crc = crc32_update(0, table, 60);
    put_u32(table + 60, crc32_update(crc, table + 72, get_u32(table + 12)));
    seen_read(&s, bytes, b.length + 8);
    assert_true(seen_whole(&s, &b));
    seen_release(&s);
    free(bytes);
    built_release(&b);
}

/* A frame that would unpack to 3 GiB behind a header that claims a small payload. */
static void test_trace_file__a_payload_larger_than_declared_is_damage(void **state)
{
    (void)state;
    struct built b;
    struct seen s;
    build_small(&b);
    uint8_t *table = b.bytes + b.blocks[1].offset + SKIPPABLE_BYTES;
    put_u32(table + 16, b.infos[1].payload_bytes - 1);
    put_u32(table + 92, crc32_update(0, table, 92));
    seen_read(&s, b.bytes, b.length);
    assert_int_equal(s.block_count, 4);
    assert_int_equal(s.lost_blocks, 1);
    put_u32(table + 16, PAYLOAD_MAX_BYTES + 1);
    put_u32(table + 92, crc32_update(0, table, 92));
    seen_release(&s);
    seen_read(&s, b.bytes, b.length);
    assert_int_equal(s.block_count, 4);
    seen_release(&s);
    built_release(&b);
}

static void test_trace_file__writers_refuse_what_readers_would(void **state)
{
    (void)state;
    uint8_t out[2000];
    char *big = calloc(1, TEXT_LIMIT + 1);
    struct text text = {big, TEXT_LIMIT + 1};
    struct trace_header header = {.argument_count = 1, .arguments = &text};
    assert_int_equal(trace_header_write(&header, out, sizeof out), -ERR_LIMIT);
    text.length = 10;
    assert_int_equal(trace_header_write(&header, out, trace_header_bound(&header) - 1), -ERR_FULL);
    header.argument_count = RECORD_ARGUMENT_LIMIT + 1;
    struct text *many = calloc(header.argument_count, sizeof *many);
    header.arguments = many;
    assert_int_equal(trace_header_write(&header, out, sizeof out), -ERR_LIMIT);
    struct trace_trailer trailer = {0};
    assert_int_equal(trace_trailer_write(&trailer, out, TRACE_TRAILER_BYTES - 1), -ERR_FULL);
    struct compressor *c = compressor_new();
    struct block_info info = {.payload_bytes = 0};
    assert_int_equal(trace_block_write(c, 1, &info, out, out, sizeof out), -ERR_LIMIT);
    info.payload_bytes = 10;
    assert_int_equal(trace_block_write(c, 1, &info, out, out, trace_block_bound(10) - 1),
                     -ERR_FULL);
    compressor_free(c);
    free(many);
    free(big);
}

static void test_trace_file__a_pipe_that_dribbles_is_read_whole(void **state)
{
    (void)state;
    struct built b;
    struct seen s;
    int ends[2];
    build_small(&b);
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        for (size_t at = 0; at < b.length; at++)
            if (write(ends[1], b.bytes + at, 1) != 1)
                _exit(1);
        _exit(0);
    }
    close(ends[1]);
    seen_read_fd(&s, ends[0]);
    int status;
    waitpid(child, &status, 0);
    assert_true(seen_whole(&s, &b));
    seen_release(&s);
    close(ends[0]);
    built_release(&b);
}

static void test_trace_file__a_descriptor_that_fails_is_an_error_of_reading(void **state)
{
    (void)state;
    struct seen s;
    int folder = open("/", O_RDONLY | O_DIRECTORY);
    seen_read_fd(&s, folder);
    assert_int_equal(s.open, -ERR_IO);
    assert_non_null(strstr(s.err.text, strerror(EISDIR)));
    close(folder);
}

/* The stock tool accepts the file and gives the payloads, one after another. */
static void test_trace_file__lz4_accepts_it(void **state)
{
    (void)state;
    if (system("command -v lz4 >/dev/null 2>&1") != 0)
        skip();
    struct built b;
    char path[] = "/tmp/memrec-test-XXXXXX", command[100];
    build_small(&b);
    int fd = mkstemp(path);
    assert_int_equal(write(fd, b.bytes, b.length), b.length);
    close(fd);
    snprintf(command, sizeof command, "lz4 -q -t < %s", path);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof command, "lz4 -q -d -c < %s", path);
    FILE *output = popen(command, "r");
    size_t total = 0, payloads = 0;
    for (int c; (c = fgetc(output)) != EOF;)
        total++;
    assert_int_equal(pclose(output), 0);
    for (uint32_t i = 0; i < b.block_count; i++)
        payloads += b.infos[i].payload_bytes;
    assert_int_equal(total, payloads);
    unlink(path);
    built_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trace_file__the_header_comes_back),
        cmocka_unit_test(test_trace_file__parts_of_later_versions_are_passed_over),
        cmocka_unit_test(test_trace_file__the_index_names_the_blocks),
        cmocka_unit_test(test_trace_file__other_files_are_refused_by_name),
        cmocka_unit_test(test_trace_file__blocks_are_packed_and_say_so),
        cmocka_unit_test(test_trace_file__packed_bytes_that_do_not_fit_cost_one_block),
        cmocka_unit_test(test_trace_file__a_newer_version_is_refused_as_such),
        cmocka_unit_test(test_trace_file__a_command_that_does_not_fit_its_part_is_damage),
        cmocka_unit_test(test_trace_file__longer_tables_of_later_writers_are_read),
        cmocka_unit_test(test_trace_file__a_payload_larger_than_declared_is_damage),
        cmocka_unit_test(test_trace_file__writers_refuse_what_readers_would),
        cmocka_unit_test(test_trace_file__a_pipe_that_dribbles_is_read_whole),
        cmocka_unit_test(test_trace_file__a_descriptor_that_fails_is_an_error_of_reading),
        cmocka_unit_test(test_trace_file__lz4_accepts_it),
    };
    return cmocka_run_group_tests_name("trace_file", tests, NULL, NULL);
}
