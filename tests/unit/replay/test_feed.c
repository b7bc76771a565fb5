/* Reading ahead on a second thread: what comes out is the same as without it, whatever the size of
 * the batches, in good traces, damaged ones, hostile ones, and such that cannot be read to the end.
 */
#define _GNU_SOURCE
#include "replay/replay.h"
#include "tests/unit/replay/world.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <cmocka.h>

/* Everything that a replay came to, in words. */
struct told {
    char *text;
    size_t length;
    FILE *out;
};

static void tell_sites(FILE *out, const struct sites *s)
{
    for (uint32_t id = 1; id < s->count; id++) {
        const struct lane *lane = site_lane(s, id);
        struct site_temporary temporary = site_temporary(s, id);
        struct site_values all[] = {site_then(s, id), site_live(s, id), site_leak(s, id)};
        fprintf(out, "site %u %u %u:", site_stack(s, id), lane->thread, lane->allocator);
        for (int i = 0; i < 3; i++)
            fprintf(out, " %lu %lu %lu %lu", all[i].bytes, all[i].resident_bytes,
                    all[i].unsampled_bytes, all[i].count);
        fprintf(out, " %lu %lu\n", temporary.bytes, temporary.count);
    }
}

static void tell_replay(FILE *out, const struct replay *r)
{
    const struct totals *t = &r->totals;
    fprintf(out, "moment %d %lu %lu\n", r->moment.chosen, r->moment.bytes, r->moment.time_ns);
    fprintf(out, "end %lu %lu %lu\n", r->time_ns, r->live_bytes, live_count(&r->blocks));
    const uint64_t *numbers = (const uint64_t *)t; /* all its fields are such */
    for (size_t i = 0; i < sizeof *t / sizeof *numbers; i++)
        fprintf(out, "%lu ", numbers[i]);
    fprintf(out, "\nlost %lu in %zu\n", lost_count(&r->lost), r->lost.count);
    for (uint32_t id = 0; id < r->model.symbols.functions.limit; id++) {
        const struct function *f = symbols_function(&r->model.symbols, id);
        fprintf(out, "%s ", f ? f->name->bytes : "-");
    }
    for (uint32_t id = 0; id < r->model.processes.limit; id++) {
        const struct process *p = model_process_at(&r->model, id);
        for (uint32_t i = 0; p && i < p->argument_count; i++)
            fprintf(out, "%s ", p->arguments[i]->bytes);
    }
    tell_sites(out, &r->sites);
}

static void tell_reader(FILE *out, const struct reader *r)
{
    fprintf(out, "blocks %u %u, events %lu, %d\n", r->blocks, r->lost_blocks,
            reader_declared_events(r), reader_complete(r));
    for (size_t i = 0; i < r->damage_count; i++)
        fprintf(out, "damage %lu %lu %u %s\n", r->damage[i].offset, r->damage[i].length,
                r->damage[i].blocks, r->damage[i].what);
}

/* Replays what fd holds and tells everything. The caller frees text. */
static char *tell(int fd, enum feed_mode mode, int batch_events)
{
    struct reader reader;
    struct replay replay;
    struct replay_options options = {.moment = {.kind = MOMENT_PEAK, .window = window_all()},
                                     .temporary_threshold = 2,
                                     .feed = mode,
                                     .batch_events = batch_events};
    struct told told = {0};
    struct err err = {0};
    told.out = open_memstream(&told.text, &told.length);
    int rc = reader_open(&reader, fd, "test", &err);
    if (!rc) {
        assert_int_equal(replay_init(&replay, &options), 0);
        rc = replay_run(&replay, &reader, 0, 0, &err);
        tell_replay(told.out, &replay);
        tell_reader(told.out, &reader);
        replay_release(&replay);
    }
    fprintf(told.out, "%d %s\n", rc, rc ? err.text : "");
    reader_close(&reader);
    fclose(told.out);
    return told.text;
}

static char *tell_made(const struct maker *m, enum feed_mode mode, int batch_events)
{
    int fd = maker_open(m);
    char *text = tell(fd, mode, batch_events);
    close(fd);
    return text;
}

static void check_same(const struct maker *m)
{
    static const int sizes[] = {4, 5, 17, 0};
    char *alone = tell_made(m, FEED_ALONE, 0);
    for (int i = 0; i < 4; i++) {
        char *small = tell_made(m, FEED_ALONE, sizes[i]);
        char *ahead = tell_made(m, FEED_AHEAD, sizes[i]);
        assert_string_equal(alone, small);
        assert_string_equal(alone, ahead);
        free(small);
        free(ahead);
    }
    free(alone);
}

/* spoil: 0, or a seed of wrong bytes under right checksums. damage: wrong bytes in the file. */
static void check_history(uint64_t seed, uint64_t spoil, int damage)
{
    static struct world w;
    begin(&w, seed);
    w.maker.spoil = spoil;
    live_history(&w);
    for (int i = 0; i < damage; i++)
        w.maker.bytes[100 + draw(&w, w.maker.used - 100)] ^= (uint8_t)(1 + draw(&w, 255));
    check_same(&w.maker);
    maker_release(&w.maker);
}

static void test_feed__random_histories_are_told_alike(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++)
        check_history(seed, 0, 0);
}

static void test_feed__damage_is_told_alike(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++)
        check_history(seed, 0, 1 + (int)(seed % 4));
}

static void test_feed__hostile_payloads_are_told_alike(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++)
        check_history(seed, seed, 0);
}

/* A descriptor on our own memory: reading fails behind the last page that is there. What follows is
 * a page of an empty file, so that nothing else is ever mapped there. */
struct torn {
    uint8_t *pages;
    size_t mapped;
    int fd;
};

static void torn_open(struct torn *t, const struct maker *m)
{
    size_t whole = m->used & ~(size_t)4095;
    t->mapped = whole + 4096;
    t->pages = mmap(0, t->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(t->pages != MAP_FAILED);
    memcpy(t->pages, m->bytes, whole);
    int empty = memfd_create("empty", 0);
    assert_true(mmap(t->pages + whole, 4096, PROT_READ, MAP_SHARED | MAP_FIXED, empty, 0) !=
                MAP_FAILED);
    close(empty);
    t->fd = open("/proc/self/mem", O_RDONLY);
    assert_true(t->fd >= 0);
}

static void test_feed__a_read_error_comes_after_all_that_was_read_before_it(void **state)
{
    (void)state;
    static struct world w;
    struct torn t;
    char *told[3];
    begin(&w, 7);
    live_history(&w);
    torn_open(&t, &w.maker);
    for (int i = 0; i < 3; i++) {
        assert_true(lseek(t.fd, (off_t)(uintptr_t)t.pages, SEEK_SET) > 0);
        told[i] = tell(t.fd, i ? FEED_AHEAD : FEED_ALONE, i == 1 ? 4 : 0);
        assert_non_null(strstr(told[i], strerror(EIO)));
        assert_non_null(strstr(told[i], "site "));
        assert_string_equal(told[i], told[0]);
    }
    for (int i = 0; i < 3; i++)
        free(told[i]);
    munmap(t.pages, t.mapped);
    close(t.fd);
    maker_release(&w.maker);
}

static void test_feed__without_a_thread_the_caller_reads(void **state)
{
    (void)state;
    static struct world w;
    pthread_attr_t usual, impossible;
    begin(&w, 3);
    live_history(&w);
    assert_int_equal(pthread_getattr_default_np(&usual), 0);
    pthread_attr_init(&impossible);
    pthread_attr_setstacksize(&impossible, (size_t)1 << 50);
    assert_int_equal(pthread_setattr_default_np(&impossible), 0);
    int fd = maker_open(&w.maker);
    struct reader reader;
    struct err err = {0};
    struct feed feed;
    const struct batch *batch;
    assert_int_equal(reader_open(&reader, fd, "test", &err), 0);
    assert_int_equal(feed_open(&feed, &reader, FEED_AHEAD, 0), 0);
    assert_false(feed.ahead);
    while (feed_next(&feed, &batch, &err) > 0)
        assert_true(batch->count > 0);
    feed_close(&feed);
    assert_true(reader_complete(&reader));
    reader_close(&reader);
    close(fd);
    pthread_setattr_default_np(&usual);
    maker_release(&w.maker);
}

static void test_feed__can_be_closed_at_any_batch(void **state)
{
    (void)state;
    static struct world w;
    begin(&w, 5);
    live_history(&w);
    for (int after = 0; after < 40; after++) {
        int fd = maker_open(&w.maker);
        struct reader reader;
        struct err err = {0};
        struct feed feed;
        const struct batch *batch;
        assert_int_equal(reader_open(&reader, fd, "test", &err), 0);
        assert_int_equal(feed_open(&feed, &reader, FEED_AHEAD, 4), 0);
        for (int i = 0; i < after; i++)
            assert_int_equal(feed_next(&feed, &batch, &err), 1);
        feed_close(&feed);
        reader_close(&reader);
        close(fd);
    }
    maker_release(&w.maker);
}

/* Behind a moment to stop at nothing is read, so damage there is not told, one time like the other.
 */
static void test_feed__nothing_is_read_behind_the_moment_to_stop_at(void **state)
{
    (void)state;
    static const char *const command[] = {"x", 0};
    struct maker m;
    maker_init(&m, command, 1);
    for (int i = 0; i < 50; i++) {
        maker_time(&m, (uint64_t)(i + 1) * 100);
        maker_alloc(&m, 0, 0, 1);
        maker_seal(&m);
    }
    size_t behind = m.used - 60;
    maker_finish(&m, true);
    m.bytes[behind] ^= 1;
    struct replay_options options = {.moment = {.kind = MOMENT_TIME, .time_ns = 450},
                                     .stop_at_moment = true,
                                     .feed = FEED_AHEAD,
                                     .batch_events = 4};
    int fd = maker_open(&m);
    struct reader reader;
    struct replay replay;
    struct err err = {0};
    assert_int_equal(reader_open(&reader, fd, "test", &err), 0);
    assert_int_equal(replay_init(&replay, &options), 0);
    assert_int_equal(replay_run(&replay, &reader, 0, 0, &err), 0);
    assert_true(replay.stopped);
    assert_int_equal(replay.moment.bytes, 4);
    assert_int_equal(reader.damage_count, 0);
    assert_int_equal(reader.blocks, 5);
    replay_release(&replay);
    reader_close(&reader);
    close(fd);
    maker_release(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_feed__random_histories_are_told_alike),
        cmocka_unit_test(test_feed__damage_is_told_alike),
        cmocka_unit_test(test_feed__hostile_payloads_are_told_alike),
        cmocka_unit_test(test_feed__a_read_error_comes_after_all_that_was_read_before_it),
        cmocka_unit_test(test_feed__without_a_thread_the_caller_reads),
        cmocka_unit_test(test_feed__can_be_closed_at_any_batch),
        cmocka_unit_test(test_feed__nothing_is_read_behind_the_moment_to_stop_at),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
