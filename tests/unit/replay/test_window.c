/* Windows between times, marks and the peak: rules one by one with sums done by hand, then random
 * histories against adding up after every event. */
#include "tests/unit/replay/scene.h"
#include "tests/unit/replay/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct replay_options between(const char *from, const char *to)
{
    struct replay_options options = player_peak();
    options.moment.window.from.mark = from;
    options.moment.window.to.mark = to;
    return options;
}

static struct replay_options leaks_between(const char *from, const char *to)
{
    struct replay_options options = between(from, to);
    options.moment.kind = MOMENT_CLOSE;
    options.moment.window.apart = true;
    options.stop_at_moment = true;
    return options;
}

/* What lanes made inside the window have: stack 0 means all. */
static struct site_values leaked(const struct player *p, uint32_t stack)
{
    const struct sites *s = &p->replay.sites;
    struct site_values sum = {0};
    for (uint32_t id = 1; id < s->count; id++) {
        if (!site_lane(s, id)->inside || (stack && s->items[id].event_stack != stack))
            continue;
        sum.bytes += site_leak(s, id).bytes;
        sum.count += site_leak(s, id).count;
        sum.resident_bytes += site_leak(s, id).resident_bytes;
    }
    return sum;
}

static void test_window__between_two_marks_of_one_time_is_what_stands_between_them(void **state)
{
    (void)state;
    struct replay_options options = leaks_between("warm", "done");
    struct scene s;
    scene_begin(&s);
    maker_time(&s.m, 500);
    uint64_t old = maker_alloc(&s.m, ALLOCATOR_MALLOC, s.a, 1);
    maker_mark(&s.m, "warm");
    maker_alloc(&s.m, ALLOCATOR_MALLOC, s.a, 20);
    maker_free(&s.m, maker_alloc(&s.m, ALLOCATOR_MALLOC, s.a, 300));
    maker_free(&s.m, old);
    maker_mark(&s.m, "done");
    maker_alloc(&s.m, ALLOCATOR_MALLOC, s.a, 4000);
    struct player *p = scene_play(&s, &options);
    assert_int_equal(leaked(p, 0).bytes, 20);
    assert_int_equal(leaked(p, 0).count, 1);
    assert_true(p->replay.stopped);
    player_free(p);
}

static void test_window__what_it_allocated_may_be_freed_later(void **state)
{
    (void)state;
    struct replay_options options = leaks_between("warm", "done");
    struct scene s;
    scene_begin(&s);
    maker_mark(&s.m, "warm");
    uint64_t block = maker_alloc(&s.m, ALLOCATOR_MALLOC, s.b, 20);
    maker_mark(&s.m, "done");
    maker_free(&s.m, block);
    struct player *p = scene_play(&s, &options);
    assert_int_equal(leaked(p, s.b).bytes, 20);
    player_free(p);
}

static void test_window__the_residency_of_old_blocks_is_not_its_own(void **state)
{
    (void)state;
    struct replay_options options = leaks_between("warm", "done");
    struct scene s;
    scene_begin(&s);
    uint64_t old = maker_alloc(&s.m, ALLOCATOR_MALLOC, s.a, 4 * MIB);
    maker_mark(&s.m, "warm");
    uint64_t new = maker_alloc(&s.m, ALLOCATOR_MALLOC, s.a, 4 * MIB);
    maker_map(&s.m, 16 * MIB, 2 * MIB, MAP_KIND_ANONYMOUS, s.b);
    maker_resident_block(&s.m, old, 0);
    maker_resident_block(&s.m, new, 3 * MIB);
    maker_resident_range(&s.m, s.process, 16 * MIB, 2 * MIB, MIB);
    maker_mark(&s.m, "done");
    struct player *p = scene_play(&s, &options);
    assert_int_equal(leaked(p, s.a).bytes, 4 * MIB);
    assert_int_equal(leaked(p, s.a).resident_bytes, 3 * MIB);
    assert_int_equal(leaked(p, s.b).resident_bytes, MIB);
    player_free(p);
}

static void test_window__a_free_taken_back_makes_no_new_block(void **state)
{
    (void)state;
    struct replay_options options = leaks_between("warm", 0);
    struct scene s;
    scene_begin(&s);
    uint64_t block = maker_alloc(&s.m, ALLOCATOR_MALLOC, s.a, 70);
    maker_mark(&s.m, "warm");
    maker_free(&s.m, block);
    maker_unfree(&s.m);
    struct player *p = scene_play(&s, &options);
    assert_int_equal(leaked(p, 0).bytes, 0);
    assert_int_equal(player_stack(p, s.a, PLAYER_LEAK).bytes, 70);
    player_free(p);
}

static void test_window__its_maximum_begins_with_what_was_there(void **state)
{
    (void)state;
    struct replay_options options = between("warm", "done");
    struct scene s;
    scene_begin(&s);
    uint64_t early = maker_alloc(&s.m, ALLOCATOR_MALLOC, s.a, 1000);
    uint64_t old = maker_alloc(&s.m, ALLOCATOR_MALLOC, s.a, 100);
    maker_free(&s.m, early);
    maker_mark(&s.m, "warm");
    maker_alloc(&s.m, ALLOCATOR_MALLOC, s.b, 20);
    maker_free(&s.m, old);
    maker_mark(&s.m, "done");
    maker_alloc(&s.m, ALLOCATOR_MALLOC, s.b, 5000);
    struct player *p = scene_play(&s, &options);
    assert_int_equal(p->replay.moment.bytes, 120);
    assert_int_equal(player_stack(p, s.a, PLAYER_THEN).bytes, 100);
    assert_int_equal(player_stack(p, s.b, PLAYER_THEN).bytes, 20);
    assert_int_equal(p->replay.totals_inside.allocated_bytes, 20);
    assert_int_equal(p->replay.totals_inside.frees, 1);
    assert_int_equal(model_process(&p->replay.model, s.process)->peak_bytes, 120);
    player_free(p);
}

static void test_window__the_most_resident_memory_is_that_inside(void **state)
{
    (void)state;
    struct replay_options options = between("warm", "done");
    struct scene s;
    scene_begin(&s);
    maker_rss(&s.m, s.process, 900);
    maker_rss(&s.m, s.process, 500);
    maker_mark(&s.m, "warm");
    maker_rss(&s.m, s.process, 300); /* until here it was 500, inside, too */
    maker_rss(&s.m, s.process, 450);
    maker_mark(&s.m, "done");
    maker_rss(&s.m, s.process, 700);
    struct player *p = scene_play(&s, &options);
    assert_int_equal(p->replay.rss_high_bytes, 500);
    player_free(p);
}

static void test_window__up_to_the_peak_ends_exactly_there(void **state)
{
    (void)state;
    struct replay_options options = leaks_between("warm", 0);
    struct scene s;
    options.moment.window.to.peak = true;
    options.moment.window.peak_bytes = 900;
    scene_begin(&s);
    maker_time(&s.m, 7);
    maker_alloc(&s.m, ALLOCATOR_MALLOC, s.a, 300);
    maker_mark(&s.m, "warm");
    uint64_t block = maker_alloc(&s.m, ALLOCATOR_MALLOC, s.a, 600);
    maker_free(&s.m, block);
    maker_alloc(&s.m, ALLOCATOR_MALLOC, s.b, 50);
    struct player *p = scene_play(&s, &options);
    assert_int_equal(leaked(p, 0).bytes, 600);
    assert_int_equal(p->replay.window.to_ns, 7);
    player_free(p);
}

static void test_window__one_that_ends_before_it_begins_is_backwards(void **state)
{
    (void)state;
    struct replay_options options = leaks_between("done", "warm");
    struct scene s;
    scene_begin(&s);
    maker_mark(&s.m, "warm");
    maker_alloc(&s.m, ALLOCATOR_MALLOC, s.a, 10);
    maker_mark(&s.m, "done");
    struct player *p = scene_play(&s, &options);
    assert_true(p->replay.window.backwards);
    player_free(p);
}

/* ---- random histories ---- */

enum edge_kind { EDGE_RUN, EDGE_TIME, EDGE_MARK, EDGE_PEAK, EDGE_KINDS };

/* A window of a world: what happens in it are the events after `low` up to and with `high`. */
struct interval {
    enum edge_kind from, to;
    int low, high, process; /* process -1: all */
    struct window_choice choice;
};

static uint64_t sum_at(const struct world *w, int event, int process)
{
    return process < 0 ? w->at_event[event].bytes : w->process_bytes[event][process];
}

/* The earliest highest state from low to high. */
static int highest(const struct world *w, int process, int low, int high)
{
    int best = low;
    for (int e = low; e <= high; e++)
        if (sum_at(w, e, process) > sum_at(w, best, process))
            best = e;
    return best;
}

static int last_at(const struct world *w, uint64_t time_ns, bool with)
{
    int e = 0;
    while (e < w->events && (w->at_event[e + 1].time_ns < time_ns ||
                             (with && w->at_event[e + 1].time_ns == time_ns)))
        e++;
    return e;
}

static int first_mark(const struct world *w, const char *name)
{
    for (int i = 0; i < w->mark_count; i++)
        if (!strcmp(w->stood[i].name, name))
            return w->stood[i].event;
    return -1;
}

/* Draws an end of a window; returns its event. */
static int draw_edge(struct world *w, struct window_edge *edge, enum edge_kind *kind, int process,
                     bool from)
{
    *kind = (enum edge_kind)draw(w, EDGE_KINDS);
    if (*kind == EDGE_MARK && w->mark_count) {
        edge->mark = w->stood[draw(w, (uint64_t)w->mark_count)].name;
        return first_mark(w, edge->mark);
    }
    if (*kind == EDGE_TIME) {
        edge->time_ns = draw(w, w->now_ns + 1);
        return last_at(w, edge->time_ns, !from);
    }
    edge->peak = *kind == EDGE_PEAK;
    if (edge->peak)
        return highest(w, process, 0, w->events);
    *kind = EDGE_RUN;
    return from ? 0 : w->events;
}

/* Returns false where both ends lie between the same two events: which comes first is not for this
 * model to say. */
static bool draw_interval(struct world *w, struct interval *i)
{
    i->choice = window_all();
    i->process = draw(w, 3) ? -1 : (int)draw(w, PROCESSES);
    i->low = draw_edge(w, &i->choice.from, &i->from, i->process, true);
    i->high = draw_edge(w, &i->choice.to, &i->to, i->process, false);
    i->choice.peak_bytes = sum_at(w, highest(w, i->process, 0, w->events), i->process);
    return i->low != i->high;
}

static struct player *play(const struct world *w, const struct interval *i, bool leaks)
{
    struct replay_options options = player_peak();
    options.moment.window = i->choice;
    options.moment.window.apart = leaks || i->low % 2;
    options.moment.kind = leaks ? MOMENT_CLOSE : MOMENT_PEAK;
    options.stop_at_moment = leaks;
    options.temporary_threshold = 2;
    options.history.resolution_ns = i->low % 3 ? 0 : 700; /* must change nothing */
    options.has_pid = i->process >= 0;
    options.pid = i->process >= 0 ? 100 + (uint32_t)i->process : 0;
    return player_run(&w->maker, &options);
}

static bool counts(const struct world *w, const struct interval *i, const struct life *b)
{
    bool ours = i->process < 0 || w->thread_process[b->thread] == i->process;
    return ours && b->allocated > i->low && b->allocated <= i->high;
}

/* Is it not freed by the window's end? What a process leaks it leaks for good. */
static bool kept(const struct interval *i, const struct life *b)
{
    return alive_at(b, i->high) || (b->leaked && b->died && b->died <= i->high);
}

static void check_leaks(const struct world *w, const struct interval *i)
{
    uint64_t expected[STACKS] = {0}, expected_count = 0, found_count = 0;
    for (int k = 0; k < w->block_count; k++) {
        const struct life *b = &w->blocks[k];
        if (!counts(w, i, b) || !kept(i, b))
            continue;
        expected[b->stack] += b->size;
        expected_count++;
    }
    struct player *p = play(w, i, true);
    assert_true(p->replay.window.opened && p->replay.moment.chosen);
    for (uint32_t id = 1; id < p->replay.sites.count; id++) {
        const struct lane *lane = site_lane(&p->replay.sites, id);
        struct site_values v = site_leak(&p->replay.sites, id);
        if (!lane->inside || lane->allocator == ALLOCATOR_MMAP)
            continue;
        for (int s = 0; s < STACKS; s++)
            if (w->stacks[s] == p->replay.sites.items[id].event_stack)
                expected[s] -= v.bytes;
        found_count += v.count;
    }
    for (int s = 0; s < STACKS; s++)
        assert_int_equal(expected[s], 0);
    assert_int_equal(found_count, expected_count);
    player_free(p);
}

static void check_kept(const struct world *w, const struct interval *i, const struct player *p)
{
    uint64_t expected = 0, found = 0;
    for (int k = 0; k < w->block_count; k++)
        if (counts(w, i, &w->blocks[k]) && kept(i, &w->blocks[k]))
            expected += w->blocks[k].size;
    for (uint32_t lane = 1; lane < p->replay.window.kept_count; lane++)
        if (p->replay.sites.lanes[lane].allocator != ALLOCATOR_MMAP)
            found += p->replay.window.kept[lane].bytes;
    if (p->replay.window.kept)
        assert_int_equal(found, expected);
}

static void check_sums(const struct world *w, const struct interval *i, struct player *p)
{
    const struct replay *r = &p->replay;
    uint64_t allocations = 0, bytes = 0, temporary = 0, found = 0;
    for (int k = 0; k < w->block_count; k++) {
        const struct life *b = &w->blocks[k];
        bool ours = i->process < 0 || w->thread_process[b->thread] == i->process;
        allocations += counts(w, i, b) && !b->again;
        bytes += counts(w, i, b) && !b->again ? b->size : 0;
        temporary += ours && b->temporary && b->died > i->low && b->died <= i->high;
    }
    for (uint32_t id = 1; id < r->sites.count; id++)
        found += site_temporary(&r->sites, id).count;
    assert_int_equal(r->totals_inside.allocations, allocations);
    assert_int_equal(r->totals_inside.allocated_bytes, bytes);
    assert_int_equal(found, temporary);
    for (int k = 0; k < PROCESSES; k++)
        if (i->process < 0 || i->process == k)
            assert_int_equal(model_process(&p->replay.model, w->processes[k])->peak_bytes,
                             w->process_bytes[highest(w, k, i->low, i->high)][k]);
}

static void check_maximum(const struct world *w, const struct interval *i)
{
    struct player *p = play(w, i, false);
    int e = highest(w, i->process, i->low, i->high);
    uint64_t sum = 0;
    assert_int_equal(p->replay.moment.bytes, sum_at(w, e, i->process));
    if (e > i->low)
        assert_int_equal(p->replay.moment.time_ns, w->at_event[e].time_ns);
    for (uint32_t id = 1; id < p->replay.sites.count; id++)
        sum += site_then(&p->replay.sites, id).bytes;
    assert_int_equal(sum, p->replay.moment.bytes);
    check_sums(w, i, p);
    check_kept(w, i, p);
    player_free(p);
}

static void check_backwards(const struct world *w, const struct interval *i)
{
    struct player *p = play(w, i, true);
    assert_true(p->replay.window.backwards);
    player_free(p);
}

static void test_window__equals_adding_up_after_every_event(void **state)
{
    static struct world w;
    int seen[3] = {0};
    (void)state;
    for (uint64_t seed = 1; seed <= 120; seed++) {
        struct interval i;
        begin(&w, seed * 77);
        live_history(&w);
        for (int k = 0; k < 6; k++) {
            bool sound = draw_interval(&w, &i);
            seen[!sound ? 0 : i.low < i.high ? 1 : 2]++;
            if (sound && i.low > i.high)
                check_backwards(&w, &i);
            if (!sound || i.low > i.high)
                continue;
            check_leaks(&w, &i);
            check_maximum(&w, &i);
        }
        maker_release(&w.maker);
    }
    assert_true(seen[1] > 200 && seen[2] > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_window__between_two_marks_of_one_time_is_what_stands_between_them),
        cmocka_unit_test(test_window__what_it_allocated_may_be_freed_later),
        cmocka_unit_test(test_window__the_residency_of_old_blocks_is_not_its_own),
        cmocka_unit_test(test_window__a_free_taken_back_makes_no_new_block),
        cmocka_unit_test(test_window__its_maximum_begins_with_what_was_there),
        cmocka_unit_test(test_window__the_most_resident_memory_is_that_inside),
        cmocka_unit_test(test_window__up_to_the_peak_ends_exactly_there),
        cmocka_unit_test(test_window__one_that_ends_before_it_begins_is_backwards),
        cmocka_unit_test(test_window__equals_adding_up_after_every_event)};
    return cmocka_run_group_tests(tests, 0, 0);
}
