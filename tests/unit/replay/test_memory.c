/* A replay in which one allocation fails: that is told, whichever it was, nothing is left over, and
 * what goes on without it comes to the same. Not here: limits on a whole replay (test_ceiling.c).
 */
#include "tests/unit/starve.h"

#include "tests/unit/replay/scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { MS = 1000000, MANY = 1200, FUNCTIONS = 600, CHILDREN = 20 };

/* Names, functions and stacks, more of each than there is room for at first. */
static void many_symbols(struct scene *s, uint32_t *stacks)
{
    char name[32];
    uint32_t functions[FUNCTIONS];
    for (int i = 0; i < FUNCTIONS; i++) {
        snprintf(name, sizeof name, "function %d", i);
        functions[i] = maker_function(&s->m, name, "job.py", 1);
    }
    for (uint32_t i = 0; i < MANY; i++)
        stacks[i] = maker_stack(&s->m, i ? stacks[i / 2] : 0, functions[i % FUNCTIONS], i);
}

static void note_all(struct scene *s, uint32_t process, uint32_t thread)
{
    struct record python = {.type = RECORD_PYTHON}, name = {.type = RECORD_NAME};
    python.python.process = process;
    python.python.walked = 1;
    python.python.version = maker_text("3.12.2");
    name.name.thread = thread;
    name.name.name = maker_text("worker");
    maker_record(&s->m, &python);
    maker_record(&s->m, &name);
    for (unsigned reason = 0; reason < REASON_COUNT; reason++)
        maker_lost(&s->m, process, (uint8_t)reason, 1);
}

/* More than the first 1,024 sites and of their rarer halves, and more big blocks. */
static void many_blocks(struct scene *s, const uint32_t *stacks)
{
    for (uint32_t i = 0; i < MANY; i++) {
        uint64_t address = (UINT64_C(1) << 40) + i * (UINT64_C(4) << 20);
        maker_time(&s->m, i * MS / 3);
        maker_map(&s->m, address, 2 * MIB, MAP_KIND_ANONYMOUS, stacks[i]);
        maker_resident_block(&s->m, maker_alloc(&s->m, 0, stacks[i], 3 * MIB), MIB);
        maker_alloc_at(&s->m, 0, stacks[i], 100, address);
        maker_free(&s->m, maker_alloc(&s->m, 0, stacks[i], 1));
        if (i % 40 == 0)
            maker_mark(&s->m, "again");
    }
}

/* What is behind the middle, in which a child has begun to hold something. */
static void many_processes(struct scene *s, const uint32_t *stacks)
{
    for (uint32_t i = 0; i < CHILDREN; i++) {
        uint32_t child = maker_process(&s->m, 11 + i, s->process, PROCESS_FORK, "3.12.1");
        uint32_t thread = maker_thread(&s->m, child, 11 + i, "child");
        note_all(s, child, thread);
        maker_on(&s->m, thread);
        maker_alloc(&s->m, 0, stacks[i], 1000);
        maker_map(&s->m, 64 * MIB, 4 * MIB, MAP_KIND_ANONYMOUS, stacks[i]);
        maker_unmap(&s->m, 65 * MIB, MIB);
        maker_rss(&s->m, child, 5 * MIB);
    }
}

static void make(struct scene *s)
{
    static uint32_t stacks[MANY];
    scene_begin(s);
    many_symbols(s, stacks);
    many_blocks(s, stacks);
    maker_mark(&s->m, "middle");
    many_processes(s, stacks);
    maker_finish(&s->m, true);
}

/* All events of the trace, in as many batches. */
struct tape {
    struct batch batches[32];
    int count;
};

static void tape_read(struct tape *t, const struct maker *m)
{
    struct reader reader;
    struct err err = {0};
    int fd = maker_open(m), rc = 1;
    assert_int_equal(reader_open(&reader, fd, "test", &err), 0);
    for (t->count = 0; rc > 0; t->count++) {
        assert_true(t->count < 32);
        assert_int_equal(batch_init(&t->batches[t->count], BATCH_EVENTS), 0);
        rc = reader_read(&reader, &t->batches[t->count], &err);
    }
    assert_int_equal(rc, 0);
    reader_close(&reader);
    close(fd);
}

static void tape_release(struct tape *t)
{
    for (int i = 0; i < t->count; i++)
        batch_release(&t->batches[i]);
}

/* The first error; what had none goes on. */
static int replay(struct replay *r, const struct tape *t, const struct replay_options *options)
{
    int rc = replay_init(r, options);
    for (int i = 0; i < t->count && !rc; i++)
        rc = replay_apply(r, t->batches[i].events, t->batches[i].count);
    return rc ? rc : replay_finish(r);
}

/* Adds a number that stands for all of these, wherever they stand. */
static void count_in(uint64_t *sum, const uint64_t *numbers, size_t count)
{
    uint64_t hash = count;
    for (size_t i = 0; i < count; i++)
        hash = (hash ^ numbers[i] ^ hash >> 29) * 0xD6E8FEB86659FD93u;
    *sum += hash;
}

static void count_values(uint64_t *sum, uint64_t of, struct site_values v)
{
    uint64_t numbers[] = {of, v.bytes, v.resident_bytes, v.unsampled_bytes, v.count};
    count_in(sum, numbers, 5);
}

/* Everybody's names, and the stacks. */
static void count_model(uint64_t *sum, struct model *m)
{
    const struct symbols *s = &m->symbols;
    for (uint32_t id = 0; id < s->stacks.limit; id++) {
        const struct stack_node *node = symbols_stack(s, id);
        const struct frame *f = node ? symbols_frame(s, node) : 0;
        if (node)
            count_in(sum, (uint64_t[]){id, node->parent_plus_1, f->function, f->line}, 4);
    }
    for (uint32_t id = 0; id < s->functions.limit; id++)
        count_in(sum, (uint64_t[]){id, symbols_function(s, id) ? 1 : 0}, 2);
    for (uint32_t id = 0; id < m->threads.limit; id++)
        count_in(sum, (uint64_t[]){id, model_thread(m, id)->name->length}, 2);
    for (uint32_t id = 0; id < m->processes.limit; id++)
        count_in(sum, (uint64_t[]){id, model_process(m, id)->argument_count}, 2);
    count_in(sum, (uint64_t[]){m->mark_count, m->loss_count, m->has_exit}, 3);
}

/* A number that stands for what a replay came to. */
static uint64_t outcome(struct replay *r)
{
    const struct history *h = &r->history;
    uint64_t sum = r->moment.bytes;
    count_model(&sum, &r->model);
    for (uint32_t id = 1; id < r->sites.count; id++) {
        count_values(&sum, id, site_then(&r->sites, id));
        count_values(&sum, id, site_leak(&r->sites, id));
        count_in(&sum, (uint64_t[]){1, id, site_total(&r->sites, id).bytes}, 3);
        count_in(&sum, (uint64_t[]){2, id, site_temporary(&r->sites, id).bytes}, 3);
    }
    for (uint32_t i = 0; i < h->row_count; i++)
        count_in(&sum, (uint64_t[]){h->rows[i].tick, h->rows[i].site, h->rows[i].bytes}, 3);
    for (uint32_t i = 0; i < h->process_row_count; i++)
        count_in(&sum, (uint64_t[]){h->process_rows[i].tick, h->process_rows[i].live_bytes}, 2);
    for (uint32_t i = 0; i < r->window.kept_count; i++)
        count_values(&sum, i, r->window.kept[i]);
    return sum;
}

/* Lets one allocation after the other fail, until there is no further one. */
static void starve_replay(const struct tape *t, const struct replay_options *options)
{
    static struct replay r;
    long held = starve_held;
    assert_int_equal(replay(&r, t, options), 0);
    uint64_t whole = outcome(&r);
    replay_release(&r);
    bool starved = true;
    for (long allocations = 0; starved; allocations++) {
        starve_after = allocations;
        int rc = replay(&r, t, options);
        starved = starve_after < 0;
        starve_after = -1;
        if (rc) /* else somebody knew how to do without, as qsort() does */
            assert_int_equal(rc, -ERR_NOMEM);
        else
            assert_int_equal(outcome(&r), whole);
        assert_true(starved || !rc);
        replay_release(&r);
        assert_int_equal(starve_held, held);
    }
}

static void test_memory__whichever_allocation_fails_is_told(void **state)
{
    (void)state;
    if (!STARVE_WORKS)
        skip();
    struct scene s;
    static struct tape t;
    make(&s);
    tape_read(&t, &s.m);
    struct replay_options peak = player_peak(), merged = player_peak(), apart = player_peak();
    peak.totals = true;
    peak.history = (struct history_options){MS, 0, 0, false};
    merged.history = (struct history_options){MS, 32, 0, false};
    apart.moment.kind = MOMENT_CLOSE;
    apart.moment.window.from.mark = "again";
    apart.moment.window.to.mark = "middle";
    apart.moment.window.apart = true;
    starve_replay(&t, &peak);
    starve_replay(&t, &apart);
    starve_replay(&t, &merged);
    tape_release(&t);
    maker_release(&s.m);
}

/* Twenty blocks, of which every second one is damaged. */
static void make_damaged(struct scene *s)
{
    scene_begin(s);
    for (uint64_t i = 0; i < 40; i++) {
        maker_time(&s->m, i * MS);
        maker_alloc(&s->m, 0, s->a, 100);
        maker_mark(&s->m, "mark");
        maker_seal(&s->m);
        if (i % 2)
            s->m.bytes[s->m.used - 1] ^= 0x55;
    }
    maker_finish(&s->m, true);
}

/* Reads a trace to its end; adds up its events. */
static int read_all(int fd, uint64_t *events, struct err *err)
{
    struct reader reader;
    struct batch batch = {0};
    int rc = reader_open(&reader, fd, "test", err);
    if (!rc && batch_init(&batch, BATCH_EVENTS))
        rc = -ERR_NOMEM;
    for (*events = 0; !rc && (rc = reader_read(&reader, &batch, err)) > 0; rc = 0)
        *events += (uint64_t)batch.count;
    batch_release(&batch);
    reader_close(&reader);
    return rc;
}

static void test_memory__symbols_that_cannot_begin_say_why(void **state)
{
    (void)state;
    if (!STARVE_WORKS)
        skip();
    struct symbols s;
    long held = starve_held;
    for (long allocations = 0; allocations < 2; allocations++) { /* slots, and the empty text */
        starve_after = allocations;
        assert_int_equal(symbols_init(&s), -ERR_NOMEM);
        symbols_release(&s);
        assert_int_equal(starve_held, held);
    }
    assert_int_equal(symbols_init(&s), 0);
    symbols_release(&s);
}

static void test_memory__a_reader_without_it_makes_nothing_up(void **state)
{
    (void)state;
    if (!STARVE_WORKS)
        skip();
    struct scene s;
    struct err err;
    make_damaged(&s);
    int fd = maker_open(&s.m);
    uint64_t whole, events;
    bool starved = true;
    assert_int_equal(read_all(fd, &whole, &err), 0);
    for (long allocations = 0, held = starve_held; starved; allocations++) {
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        starve_after = allocations;
        int rc = read_all(fd, &events, &err);
        starved = starve_after < 0;
        starve_after = -1;
        assert_int_equal(rc, starved ? -ERR_NOMEM : 0);
        assert_true(starved ? events <= whole : events == whole);
        assert_int_equal(starve_held, held);
    }
    close(fd);
    maker_release(&s.m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory__whichever_allocation_fails_is_told),
        cmocka_unit_test(test_memory__symbols_that_cannot_begin_say_why),
        cmocka_unit_test(test_memory__a_reader_without_it_makes_nothing_up),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
