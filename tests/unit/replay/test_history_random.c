/* Histories of random worlds against adding up from scratch: at the end of every tick what each
 * site and each process held, the most inside of it, the marks, the peak and the end; also with so
 * little room that ticks are merged over and over. Not here: one behaviour at a time
 * (test_history.c). */
#include "replay/replay.h"
#include "tests/unit/replay/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct replay *play(struct world *w, const struct replay_options *options)
{
    struct reader *reader = calloc(1, sizeof *reader);
    struct replay *r = calloc(1, sizeof *r);
    struct err err = {0};
    int fd = maker_open(&w->maker);
    assert_int_equal(reader_open(reader, fd, "test", &err), 0);
    assert_int_equal(replay_init(r, options), 0);
    assert_int_equal(replay_run(r, reader, 0, 0, &err), 0);
    reader_close(reader);
    free(reader);
    close(fd);
    return r;
}

static void done(struct replay *r)
{
    replay_release(r);
    free(r);
}

static int peak_event(const struct world *w)
{
    int best = 0;
    for (int e = 0; e <= w->events; e++)
        if (w->at_event[e].bytes > w->at_event[best].bytes)
            best = e;
    return best;
}

/* The event after which the state is that at the end of a tick. */
static int event_of(const struct world *w, const struct replay *r, uint32_t tick)
{
    const struct history *h = &r->history;
    int e = 0;
    if (tick == h->moment_tick)
        return peak_event(w);
    for (uint32_t i = 0; i < h->mark_count; i++)
        if (h->mark_ticks[i] == tick)
            e = w->marks[i];
    if (h->ticks[tick].flags & HISTORY_MARK)
        return e;
    while (e < w->events && w->at_event[e + 1].time_ns <= h->ticks[tick].end_ns)
        e++;
    return e;
}

struct expected {
    struct cell cells[STACKS][ALLOCATORS][THREADS];
    uint64_t unsampled[STACKS][ALLOCATORS][THREADS];
    bool unsure[STACKS][ALLOCATORS][THREADS]; /* a block that was freed and came back */
};

static struct expected *expect(const struct world *w, int event)
{
    static struct expected x;
    memset(&x, 0, sizeof x);
    for (int i = 0; i < w->block_count; i++) {
        const struct life *b = &w->blocks[i];
        struct cell *c = &x.cells[b->stack][b->allocator][b->thread];
        for (int k = 0; k < w->block_count; k++)
            if (w->blocks[k].again && w->blocks[k].key == b->key)
                x.unsure[b->stack][b->allocator][b->thread] = true;
        if (!alive_at(b, event))
            continue;
        c->bytes += b->size;
        c->blocks++;
        if (b->size >= BIG && !b->sampled)
            x.unsampled[b->stack][b->allocator][b->thread] += b->size;
        c->resident += b->size >= BIG && b->sampled && b->sample < b->size ? b->sample : b->size;
    }
    return &x;
}

static void compare(const struct world *w, const struct replay *r, uint32_t tick, int event)
{
    static struct site_values values[4096];
    struct expected *x = expect(w, event);
    struct site_values sum = {0};
    const struct history_tick *t = &r->history.ticks[tick];
    history_values(&r->history, tick, values, r->sites.count);
    for (uint32_t id = 1; id < r->sites.count; id++) {
        const struct lane *lane = site_lane(&r->sites, id);
        int stack = 0, thread = 0;
        sum.bytes += values[id].bytes;
        sum.count += values[id].count;
        sum.resident_bytes += values[id].resident_bytes;
        if (lane->allocator == ALLOCATOR_MMAP)
            continue;
        while (w->stacks[stack] != site_stack(&r->sites, id))
            stack++;
        while (w->threads[thread] != lane->thread)
            thread++;
        const struct cell *c = &x->cells[stack][lane->allocator][thread];
        assert_int_equal(values[id].bytes, c->bytes);
        assert_int_equal(values[id].count, c->blocks);
        if (x->unsure[stack][lane->allocator][thread])
            continue;
        assert_int_equal(values[id].resident_bytes, c->resident);
        assert_int_equal(values[id].unsampled_bytes, x->unsampled[stack][lane->allocator][thread]);
    }
    assert_int_equal(sum.bytes, w->at_event[event].bytes);
    assert_int_equal(t->live_bytes, sum.bytes);
    assert_int_equal(t->live_count, sum.count);
    assert_int_equal(t->resident_bytes, sum.resident_bytes);
}

static void compare_processes(const struct world *w, const struct replay *r, uint32_t tick,
                              int event)
{
    uint64_t live[PROCESSES] = {0}, resident = 0, residents[PROCESSES] = {0};
    const struct history *h = &r->history;
    for (uint32_t i = 0; i < h->process_row_count && h->process_rows[i].tick <= tick; i++) {
        const struct history_process_row *row = &h->process_rows[i];
        for (int p = 0; p < PROCESSES; p++)
            if (row->process == w->processes[p]) {
                live[p] = row->live_bytes;
                residents[p] = row->resident_bytes;
            }
    }
    for (int p = 0; p < PROCESSES; p++) {
        assert_int_equal(live[p], w->process_bytes[event][p]);
        resident += residents[p];
    }
    assert_int_equal(resident, h->ticks[tick].resident_bytes);
}

static uint64_t most(const struct world *w, int from, int to)
{
    uint64_t bytes = 0;
    for (int e = from; e <= to; e++)
        if (w->at_event[e].bytes > bytes)
            bytes = w->at_event[e].bytes;
    return bytes;
}

static void check(struct world *w, uint64_t resolution_ns, uint32_t ticks, uint32_t rows)
{
    struct replay_options options = {.moment = {.kind = MOMENT_PEAK, .window = window_all()},
                                     .history = {resolution_ns, ticks, rows, false}};
    struct replay *r = play(w, &options);
    const struct history *h = &r->history;
    uint64_t highest = 0;
    int last = 0;
    assert_true(h->tick_count > 0);
    for (uint32_t tick = 0; tick < h->tick_count; tick++) {
        int event = event_of(w, r, tick);
        assert_true(event >= last);
        assert_true(!tick || h->ticks[tick].end_ns >= h->ticks[tick - 1].end_ns);
        compare(w, r, tick, event);
        compare_processes(w, r, tick, event);
        assert_int_equal(h->ticks[tick].high_bytes, most(w, last, event));
        if (h->ticks[tick].high_bytes > highest)
            highest = h->ticks[tick].high_bytes;
        last = event;
    }
    assert_int_equal(last, w->events);
    assert_int_equal(highest, r->moment.bytes);
    if (r->moment.bytes)
        assert_int_equal(h->ticks[h->moment_tick].high_ns, r->moment.time_ns);
    assert_int_equal(h->end_tick, h->tick_count - 1);
    for (uint32_t i = 1; i < h->row_count; i++)
        assert_true(h->rows[i].tick >= h->rows[i - 1].tick);
    done(r);
}

static void join_lives(struct world *w)
{
    for (int i = w->block_count; i-- > 0;)
        for (int k = 0; k < i; k++) {
            struct life *early = &w->blocks[k], *late = &w->blocks[i];
            if (early->by_address || late->by_address || early->key != late->key || !late->sampled)
                continue;
            early->sample =
                !early->sampled || late->sample > early->sample ? late->sample : early->sample;
            early->sampled = true;
        }
}

static void test_history__equals_adding_up_at_every_tick(void **state)
{
    static struct world w;
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        begin(&w, seed);
        live_history(&w);
        join_lives(&w);
        check(&w, 1 + draw(&w, 2000), 0, 0);
        check(&w, 1 + draw(&w, 300), 16 + (uint32_t)draw(&w, 60), 0);
        check(&w, 1 + draw(&w, 300), 0, 20 + (uint32_t)draw(&w, 100));
        maker_release(&w.maker);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_history__equals_adding_up_at_every_tick)};
    return cmocka_run_group_tests(tests, 0, 0);
}
