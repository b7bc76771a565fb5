/* A history's memory: what it keeps until the replay has finished stays bounded, and where there is
 * none for the last pass, that is told. Not here: what a history tells (test_history.c). */
#include "format/error.h"
#include "tests/unit/replay/scene.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <cmocka.h>

#ifdef __SANITIZE_ADDRESS__
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

enum { MS = 1000000, TIMES_MS = 1000, SITES = 40000, SPARE_BYTES = 256 << 10 };

/* As player_run, but for the end: replay_finish is the test's. */
static struct player *play(struct scene *s, struct history_options history)
{
    struct replay_options options = player_peak();
    struct player *p = calloc(1, sizeof *p);
    struct batch batch;
    options.history = history;
    assert_non_null(p);
    maker_finish(&s->m, true);
    p->fd = maker_open(&s->m);
    maker_release(&s->m);
    assert_int_equal(reader_open(&p->reader, p->fd, "test", &p->err), 0);
    assert_int_equal(replay_init(&p->replay, &options), 0);
    assert_int_equal(batch_init(&batch, BATCH_EVENTS), 0);
    while (reader_read(&p->reader, &batch, &p->err) == 1)
        assert_int_equal(replay_apply(&p->replay, batch.events, batch.count), 0);
    batch_release(&batch);
    return p;
}

/* Two stacks that take turns: of one tick, no two neighbours among the gaps are of one site. */
static void test_history__gaps_are_merged_with_their_ticks(void **state)
{
    struct scene s;
    (void)state;
    scene_begin(&s);
    uint64_t a = maker_alloc(&s.m, 0, s.a, MIB), b = maker_alloc(&s.m, 0, s.b, MIB);
    for (uint64_t i = 1; i <= TIMES_MS; i++) {
        maker_time(&s.m, i * MS);
        uint64_t next_a = maker_alloc(&s.m, 0, s.a, MIB), next_b = maker_alloc(&s.m, 0, s.b, MIB);
        maker_free(&s.m, a);
        maker_free(&s.m, b);
        a = next_a;
        b = next_b;
    }
    struct player *p = play(&s, (struct history_options){.resolution_ns = MS, .tick_limit = 32});
    const struct history *h = &p->replay.history;
    assert_true(h->tick_count <= 32);
    assert_true(h->gap_count > 0);
    /* Ticks are merged before time has doubled; four gaps a millisecond are told since. */
    assert_true(h->gap_count <= 2 * 32 + 4 * TIMES_MS / 2);
    assert_int_equal(replay_finish(&p->replay), 0);
    player_free(p);
}

/* What is in use now and a little more, but nothing as large as an array over all sites. */
static struct rlimit limit_memory(void)
{
    unsigned long pages = 0;
    struct rlimit before, small;
    FILE *in = fopen("/proc/self/statm", "r");
    assert_non_null(in);
    assert_int_equal(fscanf(in, "%lu", &pages), 1);
    fclose(in);
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    small = (struct rlimit){pages * (rlim_t)sysconf(_SC_PAGESIZE) + SPARE_BYTES, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_AS, &small), 0);
    return before;
}

static void test_history__no_memory_for_the_last_pass_is_told(void **state)
{
    struct scene s;
    (void)state;
    if (SANITIZED)
        skip();                                 /* it reserves more than any limit */
    mallopt(M_MMAP_THRESHOLD, SPARE_BYTES / 2); /* nothing large from what was freed */
    scene_begin(&s);
    uint32_t function = maker_function(&s.m, "f", "f.py", 1);
    maker_time(&s.m, MS);
    for (uint64_t line = 1; line <= SITES; line++)
        maker_alloc(&s.m, 0, maker_stack(&s.m, 0, function, line), 1);
    maker_time(&s.m, 9 * MS);
    struct player *p = play(&s, (struct history_options){.resolution_ns = MS});
    struct rlimit before = limit_memory();
    int rc = replay_finish(&p->replay);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_int_equal(rc, -ERR_NOMEM);
    assert_true(p->replay.history.failed);
    player_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_history__gaps_are_merged_with_their_ticks),
        cmocka_unit_test(test_history__no_memory_for_the_last_pass_is_told),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
