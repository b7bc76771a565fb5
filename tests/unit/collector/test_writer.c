/* The writing thread: order, limits, and disks that fail. What is in the file can always be read.
 */
#include "recorder/collector/writer.h"
#include "replay/reader.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

static const struct trace_header header = {
    .version = TRACE_VERSION, .trace_id = 99, .page_bytes = 4096};

/* A writer and an encoder that feeds it. */
struct feed {
    struct writer *writer;
    struct encoder *encoder;
    int fd;
    uint64_t seed;
};

static void feed_begin(struct feed *f, int fd, uint64_t max_bytes)
{
    struct writer_limits limits = {.max_bytes = max_bytes};
    struct err err = {0};
    f->fd = fd;
    f->encoder = encoder_new();
    f->seed = 5;
    assert_int_equal(writer_start(&f->writer, dup(fd), &header, &limits, &err), 0);
}

/* A block of so many allocations with random sizes. Returns what writer_put says. */
static int feed_block(struct feed *f, unsigned allocs)
{
    struct block_info info;
    for (unsigned i = 0; i < allocs; i++) {
        f->seed = f->seed * 6364136223846793005u + 1442695040888963407u;
        assert_int_equal(encoder_alloc(f->encoder, ALLOCATOR_MALLOC, 0, f->seed >> 44), 0);
    }
    size_t bytes = encoder_bound(f->encoder);
    uint8_t *payload = writer_room(f->writer, bytes);
    assert_non_null(payload);
    assert_int_equal(encoder_seal(f->encoder, payload, bytes, &info), 0);
    return writer_put(f->writer, &info);
}

static int feed_finish(struct feed *f)
{
    uint64_t events = encoder_events(f->encoder), allocs = encoder_next_alloc(f->encoder);
    encoder_free(f->encoder);
    return writer_finish(f->writer, events, allocs, 0, false);
}

struct found {
    uint64_t allocs, stops;
    bool complete;
    size_t damage;
};

static struct found read_back(int fd)
{
    struct found found = {0};
    struct reader reader;
    struct batch batch;
    struct err err = {0};
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(reader_open(&reader, fd, "test", &err), 0);
    assert_int_equal(batch_init(&batch, BATCH_EVENTS), 0);
    while (reader_read(&reader, &batch, &err) == 1)
        for (int i = 0; i < batch.count; i++) {
            const struct event *ev = &batch.events[i];
            found.allocs += ev->kind == EVENT_ALLOC;
            found.stops += ev->kind == EVENT_RECORD && ev->record->type == RECORD_STOP;
        }
    found.complete = reader_complete(&reader);
    found.damage = reader.damage_count;
    batch_release(&batch);
    reader_close(&reader);
    return found;
}

static int scratch_file(void) { return open("/tmp", O_TMPFILE | O_RDWR, 0600); }

static void test_writer__blocks_reach_the_file_in_order_and_whole(void **state)
{
    (void)state;
    struct feed f;
    feed_begin(&f, scratch_file(), 0);
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(feed_block(&f, 1000), 0);
    assert_int_equal(feed_finish(&f), 0);
    struct found found = read_back(f.fd);
    assert_int_equal(found.allocs, 40000);
    assert_true(found.complete);
    assert_int_equal(found.damage + found.stops, 0);
    close(f.fd);
}

/* The limit holds to the byte, the file says why it ends, and is complete in itself. */
static void test_writer__a_limit_ends_the_file_with_a_word(void **state)
{
    (void)state;
    for (uint64_t limit = 40000; limit < 120000; limit += 9973) {
        struct feed f;
        feed_begin(&f, scratch_file(), limit);
        for (unsigned i = 0; i < 100 && !writer_failed(f.writer); i++)
            feed_block(&f, 1000);
        feed_finish(&f);
        struct found found = read_back(f.fd);
        assert_true(found.complete);
        assert_int_equal(found.damage, 0);
        assert_int_equal(found.stops, 1);
        assert_in_range(found.allocs, 1000, 99000);
        assert_int_equal(found.allocs % 1000, 0);
        assert_true((uint64_t)lseek(f.fd, 0, SEEK_END) <= limit);
        close(f.fd);
    }
}

static void test_writer__a_limit_below_everything_is_no_crash(void **state)
{
    (void)state;
    struct feed f;
    feed_begin(&f, scratch_file(), 1);
    while (!writer_failed(f.writer)) {
        feed_block(&f, 1000);
        usleep(1000);
    }
    assert_int_equal(writer_failed(f.writer), REASON_FILE_LIMIT);
    feed_finish(&f);
    close(f.fd);
}

static void test_writer__a_full_disk_is_told(void **state)
{
    (void)state;
    struct writer *w;
    struct writer_limits limits = {0};
    struct err err = {0};
    assert_int_equal(writer_start(&w, open("/dev/full", O_WRONLY), &header, &limits, &err),
                     -ERR_IO);
    assert_true(strlen(err.text) > 10);
}

/* A pipe whose reader is gone: an error in the middle. */
static void test_writer__an_error_in_the_middle_stops_it_with_a_reason(void **state)
{
    (void)state;
    int pipe_fd[2];
    struct feed f;
    assert_int_equal(pipe(pipe_fd), 0);
    feed_begin(&f, pipe_fd[1], 0);
    close(pipe_fd[0]);
    while (!writer_failed(f.writer)) {
        feed_block(&f, 1000);
        usleep(1000);
    }
    assert_int_equal(writer_failed(f.writer), REASON_WRITE_ERROR);
    assert_int_not_equal(feed_finish(&f), 0);
    close(pipe_fd[1]);
}

/* A disk that stands still: the queue is bounded, and says so instead of growing or waiting. */
static void test_writer__a_disk_that_stands_still_fills_the_queue(void **state)
{
    (void)state;
    int pipe_fd[2], status = 0;
    struct feed f;
    assert_int_equal(pipe(pipe_fd), 0);
    feed_begin(&f, pipe_fd[1], 0);
    for (unsigned i = 0; i < 20000 && !status; i++)
        status = feed_block(&f, 4000);
    assert_int_equal(status, -ERR_LIMIT);
    close(pipe_fd[0]); /* now it fails, and the thread can end */
    feed_finish(&f);
    close(pipe_fd[1]);
}

static int64_t clock_step_s; /* by which somebody has set the clock */

int clock_gettime(clockid_t id, struct timespec *now)
{
    int status = (int)syscall(SYS_clock_gettime, id, now);
    if (id == CLOCK_REALTIME)
        now->tv_sec += clock_step_s;
    return status;
}

/* A disk that answers late. */
struct late {
    int fd;
    atomic_bool answers;
};

static void *answer_late(void *context)
{
    struct late *late = context;
    char bytes[4096];
    usleep(20000);
    atomic_store(&late->answers, true);
    while (read(late->fd, bytes, sizeof bytes) > 0)
        ;
    return NULL;
}

/* The limit of a drain is no hour longer or shorter where somebody sets the clock meanwhile. */
static void test_writer__a_drain_waits_by_a_clock_that_nobody_sets(void **state)
{
    (void)state;
    int pipe_fd[2];
    struct feed f;
    pthread_t thread;
    assert_int_equal(pipe(pipe_fd), 0);
    struct late late = {.fd = pipe_fd[0]};
    feed_begin(&f, pipe_fd[1], 0);
    for (unsigned i = 0; i < 100; i++) /* more than the pipe takes */
        assert_int_equal(feed_block(&f, 4000), 0);
    assert_int_equal(pthread_create(&thread, NULL, answer_late, &late), 0);
    clock_step_s = -3600;
    writer_drain(f.writer);
    clock_step_s = 0;
    assert_true(atomic_load(&late.answers));
    assert_int_equal(feed_finish(&f), 0);
    close(pipe_fd[1]);
    pthread_join(thread, NULL);
    close(pipe_fd[0]);
}

/* A file system that tells no size (here a memfd: statvfs is all zero) is no full one. */
static void test_writer__a_disk_of_unknown_size_is_not_full(void **state)
{
    (void)state;
    struct feed f;
    feed_begin(&f, memfd_create("trace", 0), 0);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(feed_block(&f, 1000), 0);
    assert_int_equal(feed_finish(&f), 0);
    struct found found = read_back(f.fd);
    assert_int_equal(found.allocs, 5000);
    assert_int_equal(found.stops, 0);
    close(f.fd);
}

static int ignore_pipes(void **state)
{
    (void)state;
    return signal(SIGPIPE, SIG_IGN) == SIG_ERR;
}

static void test_writer__a_block_needs_room_that_was_asked_for(void **state)
{
    (void)state;
    struct feed f;
    struct block_info none = {0};
    int fd = scratch_file();
    feed_begin(&f, fd, 0);
    assert_int_equal(writer_put(f.writer, &none), -ERR_USAGE);
    uint8_t *room = writer_room(f.writer, 100);
    assert_ptr_equal(writer_room(f.writer, 50), room);
    assert_non_null(writer_room(f.writer, 1u << 20));
    assert_int_equal(feed_block(&f, 10), 0);
    assert_int_equal(writer_put(f.writer, &none), -ERR_USAGE);
    assert_int_equal(feed_block(&f, 20000), 0);
    assert_int_equal(feed_block(&f, 10), 0);
    assert_int_equal(feed_finish(&f), 0);
    struct found found = read_back(fd);
    assert_int_equal(found.allocs, 20020);
    assert_true(found.complete);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writer__blocks_reach_the_file_in_order_and_whole),
        cmocka_unit_test(test_writer__a_limit_ends_the_file_with_a_word),
        cmocka_unit_test(test_writer__a_limit_below_everything_is_no_crash),
        cmocka_unit_test(test_writer__a_full_disk_is_told),
        cmocka_unit_test(test_writer__an_error_in_the_middle_stops_it_with_a_reason),
        cmocka_unit_test(test_writer__a_disk_that_stands_still_fills_the_queue),
        cmocka_unit_test(test_writer__a_drain_waits_by_a_clock_that_nobody_sets),
        cmocka_unit_test(test_writer__a_disk_of_unknown_size_is_not_full),
        cmocka_unit_test(test_writer__a_block_needs_room_that_was_asked_for),
    };
    return cmocka_run_group_tests(tests, ignore_pipes, NULL);
}
