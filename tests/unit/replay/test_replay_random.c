/* Random histories against a model that is too simple to be wrong: after every event it adds up all
 * blocks and pages anew. Threads, processes, execs, frees taken back, mappings over mappings,
 * samples, lost frees; written through the encoder, read back through the file, replayed for the
 * peak, a window, a time, the end and one process. */
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
    assert_int_equal(reader->damage_count, 0);
    assert_true(reader_complete(reader));
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

static struct replay_options peak_options(void)
{
    return (struct replay_options){.moment = {.kind = MOMENT_PEAK, .window = window_all()},
                                   .temporary_threshold = 2};
}

static uint64_t resident(const struct life *b)
{
    return b->size >= BIG && b->sampled && b->sample < b->size ? b->sample : b->size;
}

/* Samples of a later life of a block count for it as a whole: both lives are one. */
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

static struct cell *cell_of(struct snapshot *s, const struct world *w, const struct sites *sites,
                            uint32_t site)
{
    const struct lane *lane = site_lane(sites, site);
    int stack = 0, thread = 0;
    while (w->stacks[stack] != site_stack(sites, site))
        stack++;
    while (w->threads[thread] != lane->thread)
        thread++;
    return &s->cells[stack][lane->allocator][thread];
}

/* Blocks only: what pages held is checked by the sums. */
static void fill(struct snapshot *s, const struct world *w, int event, int process)
{
    for (int i = 0; i < w->block_count; i++) {
        const struct life *b = &w->blocks[i];
        if (!alive_at(b, event) || (process >= 0 && w->thread_process[b->thread] != process))
            continue;
        struct cell *c = &s->cells[b->stack][b->allocator][b->thread];
        c->bytes += b->size;
        c->blocks++;
        c->resident += resident(b);
    }
}

static void compare_sites(struct replay *r, const struct world *w, struct snapshot *s)
{
    uint64_t sum = 0;
    for (uint32_t id = 1; id < r->sites.count; id++) {
        struct site_values v = site_then(&r->sites, id);
        sum += v.bytes;
        if (site_lane(&r->sites, id)->allocator == ALLOCATOR_MMAP)
            continue;
        struct cell *c = cell_of(s, w, &r->sites, id);
        assert_int_equal(v.bytes, c->bytes);
        assert_int_equal(v.count, c->blocks);
        assert_int_equal(v.resident_bytes, c->resident);
        memset(c, 0, sizeof *c);
    }
    assert_int_equal(sum, r->moment.bytes);
    for (int i = 0; i < STACKS * ALLOCATORS; i++)
        for (int t = 0; t < THREADS; t++)
            assert_int_equal(s->cells[i / ALLOCATORS][i % ALLOCATORS][t].bytes, 0);
}

static uint64_t bytes_of(const struct world *w, int event, int process)
{
    return process < 0 ? w->at_event[event].bytes : w->process_bytes[event][process];
}

/* The earliest event of the highest sum whose state lasts into [from, to]; 0: nothing was ever
 * live. */
static int find_peak(const struct world *w, int process, uint64_t from_ns, uint64_t to_ns)
{
    int best = -1;
    for (int e = 0; e <= w->events; e++) {
        uint64_t until_ns = e < w->events ? w->at_event[e + 1].time_ns : UINT64_MAX;
        bool within = w->at_event[e].time_ns >= from_ns ? w->at_event[e].time_ns <= to_ns
                                                        : until_ns >= from_ns;
        if (within && (best < 0 || bytes_of(w, e, process) > bytes_of(w, best, process)))
            best = e;
    }
    return best;
}

static void check_peak(struct world *w, int process)
{
    struct replay_options options = peak_options();
    static struct snapshot s;
    options.has_pid = process >= 0;
    options.pid = process >= 0 ? 100 + (uint32_t)process : 0;
    struct replay *r = play(w, &options);
    int e = find_peak(w, process, 0, UINT64_MAX);
    assert_int_equal(r->moment.bytes, bytes_of(w, e, process));
    assert_int_equal(r->moment.time_ns, w->at_event[e].time_ns);
    memset(&s, 0, sizeof s);
    if (r->moment.bytes)
        fill(&s, w, e, process);
    compare_sites(r, w, &s);
    done(r);
}

static void check_window(struct world *w)
{
    struct replay_options options = peak_options();
    uint64_t from = draw(w, w->now_ns + 1), to = from + draw(w, w->now_ns - from + 1);
    options.moment.window.from.time_ns = from;
    options.moment.window.to.time_ns = to;
    struct replay *r = play(w, &options);
    int e = find_peak(w, -1, from, to);
    uint64_t time = w->at_event[e].time_ns < from ? from : w->at_event[e].time_ns;
    assert_true(r->moment.chosen);
    assert_int_equal(r->moment.bytes, w->at_event[e].bytes);
    if (r->moment.bytes)
        assert_int_equal(r->moment.time_ns, time);
    done(r);
}

static void check_time(struct world *w)
{
    struct replay_options options = peak_options();
    static struct snapshot s;
    options.moment.kind = MOMENT_TIME;
    bool exactly = draw(w, 2) && w->events;
    uint64_t event_ns = w->at_event[exactly ? draw(w, (uint64_t)w->events) + 1 : 0].time_ns;
    options.moment.time_ns = exactly ? event_ns : draw(w, w->now_ns + 1);
    struct replay *r = play(w, &options);
    int e = 0;
    while (e < w->events && w->at_event[e + 1].time_ns <= options.moment.time_ns)
        e++;
    assert_true(r->moment.chosen);
    assert_int_equal(r->moment.bytes, w->at_event[e].bytes);
    memset(&s, 0, sizeof s);
    fill(&s, w, e, -1);
    compare_sites(r, w, &s);
    done(r);
}

static void check_leaks_and_temporary(struct world *w)
{
    struct replay_options options = peak_options();
    uint64_t leaks = 0, leak_count = 0, temporary = 0, temporary_count = 0, found[4] = {0};
    for (int i = 0; i < w->block_count; i++) {
        const struct life *b = &w->blocks[i];
        leaks += b->leaked ? b->size : 0;
        leak_count += b->leaked;
        temporary += b->temporary ? b->size : 0;
        temporary_count += b->temporary;
    }
    struct replay *r = play(w, &options);
    for (uint32_t id = 1; id < r->sites.count; id++) {
        if (site_lane(&r->sites, id)->allocator == ALLOCATOR_MMAP)
            continue;
        found[0] += site_leak(&r->sites, id).bytes;
        found[1] += site_leak(&r->sites, id).count;
        found[2] += site_temporary(&r->sites, id).bytes;
        found[3] += site_temporary(&r->sites, id).count;
    }
    assert_int_equal(found[0], leaks);
    assert_int_equal(found[1], leak_count);
    assert_int_equal(found[2], temporary);
    assert_int_equal(found[3], temporary_count);
    done(r);
}

/* What was ever allocated inside a window; every other time it is the whole run. */
static void check_totals(struct world *w)
{
    struct replay_options options = peak_options();
    uint64_t from = draw(w, 2) ? draw(w, w->now_ns + 1) : 0, to = UINT64_MAX, expected = 0;
    uint64_t expected_count = 0, bytes = 0, count = 0;
    options.totals = true;
    options.moment.window.from.time_ns = from;
    options.moment.window.to.time_ns = to = from ? from + draw(w, w->now_ns - from + 1) : to;
    for (int i = 0; i < w->block_count; i++) {
        const struct life *b = &w->blocks[i];
        bool counts = !b->again && b->born_ns >= from && b->born_ns <= to;
        expected += counts ? b->size : 0;
        expected_count += counts;
    }
    struct replay *r = play(w, &options);
    for (uint32_t id = 1; id < r->sites.count; id++) {
        if (site_lane(&r->sites, id)->allocator == ALLOCATOR_MMAP)
            continue;
        bytes += site_total(&r->sites, id).bytes;
        count += site_total(&r->sites, id).count;
        if (!from)
            assert_true(site_total(&r->sites, id).bytes >= site_leak(&r->sites, id).bytes);
    }
    assert_int_equal(bytes, expected);
    assert_int_equal(count, expected_count);
    if (!from)
        assert_int_equal(bytes, r->totals.allocated_bytes);
    done(r);
}

static void check_history(uint64_t seed)
{
    static struct world world;
    struct world *w = &world;
    begin(w, seed);
    live_history(w);
    join_lives(w);
    check_peak(w, -1);
    for (int p = 0; p < PROCESSES; p++)
        check_peak(w, p);
    check_window(w);
    check_time(w);
    check_leaks_and_temporary(w);
    check_totals(w);
    maker_release(&w->maker);
}

static void test_replay__equals_adding_up_after_every_event(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 150; seed++)
        check_history(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replay__equals_adding_up_after_every_event)};
    return cmocka_run_group_tests(tests, 0, 0);
}
