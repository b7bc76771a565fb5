/* What a history keeps, one rule a test. Not here: that it always adds up (test_history_random.c).
 */
#include "tests/unit/replay/scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { MS = 1000000 };

static struct player *play(struct scene *s, struct history_options history)
{
    struct replay_options options = player_peak();
    options.history = history;
    return scene_play(s, &options);
}

static uint64_t held(const struct player *p, uint32_t stack, uint32_t tick, bool resident)
{
    struct site_values values[64];
    uint64_t sum = 0;
    assert_true(p->replay.sites.count <= 64);
    history_values(&p->replay.history, tick, values, p->replay.sites.count);
    for (uint32_t id = 1; id < p->replay.sites.count; id++)
        if (p->replay.sites.items[id].event_stack == stack)
            sum += resident ? values[id].resident_bytes : values[id].bytes;
    return sum;
}

static uint64_t held_at(const struct player *p, uint32_t stack, uint64_t time_ns)
{
    return held(p, stack, history_tick_at(&p->replay.history, time_ns), false);
}

static void test_history__tells_what_every_stack_held_at_any_time(void **state)
{
    struct scene s;
    (void)state;
    scene_begin(&s);
    maker_time(&s.m, 10 * MS);
    uint64_t first = maker_alloc(&s.m, 0, s.a, 1000);
    maker_time(&s.m, 20 * MS);
    maker_alloc(&s.m, 0, s.b, 70);
    maker_free(&s.m, first);
    maker_time(&s.m, 50 * MS);
    struct player *p = play(&s, (struct history_options){.resolution_ns = MS});
    assert_int_equal(held_at(p, s.a, 9 * MS), 0);
    assert_int_equal(held_at(p, s.a, 10 * MS), 1000);
    assert_int_equal(held_at(p, s.a, 19 * MS), 1000);
    assert_int_equal(held_at(p, s.a, 20 * MS), 0);
    assert_int_equal(held_at(p, s.b, 49 * MS), 70);
    player_free(p);
}

static void test_history__a_tick_s_maximum_is_not_lost_between_its_ends(void **state)
{
    struct scene s;
    (void)state;
    scene_begin(&s);
    maker_time(&s.m, 3 * MS);
    maker_free(&s.m, maker_alloc(&s.m, 0, s.a, 5 * MIB));
    maker_time(&s.m, 3 * MS + 1);
    maker_free(&s.m, maker_alloc(&s.m, 0, s.a, 9 * MIB));
    maker_time(&s.m, 9 * MS);
    struct player *p = play(&s, (struct history_options){.resolution_ns = 100 * MS});
    const struct history *h = &p->replay.history;
    uint64_t most = 0, when = 0;
    for (uint32_t i = 0; i < h->tick_count; i++)
        if (h->ticks[i].high_bytes > most) {
            most = h->ticks[i].high_bytes;
            when = h->ticks[i].high_ns;
        }
    assert_int_equal(most, 9 * MIB);
    assert_int_equal(when, 3 * MS + 1);
    assert_int_equal(held(p, s.a, h->moment_tick, false), 9 * MIB);
    assert_int_equal(held(p, s.a, h->moment_tick + 1, false), 0);
    player_free(p);
}

static void test_history__a_mark_stands_between_two_events_of_one_time(void **state)
{
    struct scene s;
    (void)state;
    scene_begin(&s);
    maker_free(&s.m, maker_alloc(&s.m, 0, s.b, MIB)); /* the peak is elsewhere */
    maker_time(&s.m, 2 * MS);
    maker_alloc(&s.m, 0, s.a, 1);
    maker_mark(&s.m, "between");
    maker_alloc(&s.m, 0, s.a, 10);
    maker_time(&s.m, 8 * MS);
    struct player *p = play(&s, (struct history_options){.resolution_ns = MS});
    assert_int_equal(p->replay.history.mark_count, 1);
    assert_int_equal(held(p, s.a, p->replay.history.mark_ticks[0], false), 1);
    assert_int_equal(held_at(p, s.a, 2 * MS), 11);
    player_free(p);
}

static void test_history__marks_and_the_peak_survive_merging(void **state)
{
    struct scene s;
    (void)state;
    scene_begin(&s);
    for (uint64_t i = 1; i <= 1000; i++) {
        maker_time(&s.m, i * MS);
        maker_alloc(&s.m, 0, s.a, 10);
        if (i == 333)
            maker_mark(&s.m, "third");
        if (i == 777)
            maker_free(&s.m, maker_alloc(&s.m, 0, s.b, MIB));
    }
    struct player *p = play(&s, (struct history_options){.resolution_ns = MS, .tick_limit = 32});
    const struct history *h = &p->replay.history;
    assert_true(h->tick_count <= 34);
    assert_true(h->resolution_ns > MS);
    assert_int_equal(held(p, s.a, h->mark_ticks[0], false), 3330);
    assert_int_equal(held(p, s.a, h->moment_tick, false), 7770);
    assert_int_equal(held(p, s.b, h->moment_tick, false), MIB);
    assert_int_equal(h->ticks[h->moment_tick].high_ns, 777 * (uint64_t)MS);
    player_free(p);
}

static void test_history__a_sample_counts_back_to_the_birth_of_its_block(void **state)
{
    struct scene s;
    (void)state;
    scene_begin(&s);
    maker_time(&s.m, MS);
    uint64_t big = maker_alloc(&s.m, 0, s.a, 8 * MIB);
    maker_time(&s.m, 50 * MS);
    maker_resident_block(&s.m, big, 3 * MIB);
    maker_time(&s.m, 60 * MS);
    maker_free(&s.m, big);
    maker_alloc(&s.m, 0, s.b, 1);
    maker_time(&s.m, 99 * MS);
    struct player *p = play(&s, (struct history_options){.resolution_ns = MS});
    const struct history *h = &p->replay.history;
    assert_int_equal(held(p, s.a, history_tick_at(h, 2 * MS), true), 3 * MIB);
    assert_int_equal(held(p, s.a, history_tick_at(h, 2 * MS), false), 8 * MIB);
    assert_int_equal(h->ticks[history_tick_at(h, 2 * MS)].resident_bytes, 3 * MIB);
    assert_int_equal(held(p, s.a, history_tick_at(h, 70 * MS), true), 0);
    player_free(p);
}

static void test_history__quiet_time_takes_one_tick(void **state)
{
    struct scene s;
    (void)state;
    scene_begin(&s);
    maker_time(&s.m, 5 * MS);
    maker_alloc(&s.m, 0, s.a, 1);
    maker_time(&s.m, 3600 * (uint64_t)1000 * MS);
    maker_alloc(&s.m, 0, s.a, 1);
    struct player *p = play(&s, (struct history_options){.resolution_ns = MS});
    const struct history *h = &p->replay.history;
    assert_true(h->tick_count < 10);
    assert_int_equal(h->resolution_ns, MS);
    assert_int_equal(held_at(p, s.a, 1800 * (uint64_t)1000 * MS), 1);
    player_free(p);
}

static void test_history__what_a_site_holds_as_before_takes_no_row(void **state)
{
    struct scene s;
    (void)state;
    scene_begin(&s);
    maker_alloc(&s.m, 0, s.a, 5);
    for (uint64_t i = 1; i <= 100; i++) {
        maker_time(&s.m, i * MS);
        maker_free(&s.m, maker_alloc(&s.m, 0, s.a, 100));
    }
    struct player *p = play(&s, (struct history_options){.resolution_ns = MS});
    const struct history *h = &p->replay.history;
    assert_int_equal(h->tick_count, 101 + 1); /* the peak cuts one in two */
    assert_true(h->row_count <= 3);
    player_free(p);
}

/* A process's last row up to a tick. */
static struct history_process_row process_at(const struct player *p, uint32_t process,
                                             uint64_t time_ns)
{
    const struct history *h = &p->replay.history;
    struct history_process_row row = {0};
    uint32_t tick = history_tick_at(h, time_ns);
    for (uint32_t i = 0; i < h->process_row_count && h->process_rows[i].tick <= tick; i++)
        if (h->process_rows[i].process == process)
            row = h->process_rows[i];
    return row;
}

static void assert_sums(const struct player *p, const struct scene *s, uint64_t time_ns,
                        struct sums expected)
{
    const struct history *h = &p->replay.history;
    struct history_process_row row = process_at(p, s->process, time_ns);
    const struct history_tick *t = &h->ticks[history_tick_at(h, time_ns)];
    assert_int_equal(row.live_bytes, expected.live_bytes);
    assert_int_equal(row.mapped_bytes, expected.mapped_bytes);
    assert_int_equal(row.shared_bytes, expected.shared_bytes);
    assert_int_equal(row.arena_bytes, expected.arena_bytes);
    assert_int_equal(row.rss_bytes, expected.rss_bytes);
    assert_int_equal(t->live_bytes, expected.live_bytes);
    assert_int_equal(t->mapped_bytes, expected.mapped_bytes);
    assert_int_equal(t->shared_bytes, expected.shared_bytes);
    assert_int_equal(t->arena_bytes, expected.arena_bytes);
}

static void test_history__tells_what_stands_beside_the_sum(void **state)
{
    struct scene s;
    (void)state;
    scene_begin(&s);
    maker_time(&s.m, 2 * MS);
    maker_alloc(&s.m, 0, s.a, 100);
    maker_map(&s.m, 16 * MIB, PAGE, MAP_KIND_FILE, s.a);
    maker_time(&s.m, 4 * MS);
    maker_map(&s.m, 32 * MIB, 2 * PAGE, MAP_KIND_SHARED, s.a);
    maker_rss(&s.m, s.process, 7 * PAGE);
    maker_time(&s.m, 6 * MS);
    maker_map(&s.m, 48 * MIB, 3 * PAGE, MAP_KIND_ARENA, s.a);
    maker_alloc(&s.m, 0, s.a, 1000); /* the peak */
    maker_time(&s.m, 8 * MS);
    maker_unmap(&s.m, 16 * MIB, PAGE);
    maker_time(&s.m, 9 * MS);
    struct player *p = play(&s, (struct history_options){.resolution_ns = MS});
    assert_sums(p, &s, MS, (struct sums){0});
    assert_sums(p, &s, 3 * MS, (struct sums){100, PAGE, 0, 0, 0});
    assert_sums(p, &s, 5 * MS, (struct sums){100, PAGE, 2 * PAGE, 0, 7 * PAGE});
    assert_sums(p, &s, 7 * MS, (struct sums){1100, PAGE, 2 * PAGE, 3 * PAGE, 7 * PAGE});
    assert_sums(p, &s, 9 * MS, (struct sums){1100, 0, 2 * PAGE, 3 * PAGE, 7 * PAGE});
    player_free(p);
}

/* The most resident memory, too, wherever in a merged tick it was. */
static void test_history__what_was_resident_at_most_survives_merging(void **state)
{
    struct scene s;
    (void)state;
    scene_begin(&s);
    maker_free(&s.m, maker_alloc(&s.m, 0, s.b, MIB)); /* the peak is elsewhere */
    for (uint64_t i = 1; i <= 1000; i++) {
        maker_time(&s.m, i * MS);
        maker_alloc(&s.m, 0, s.a, 10);
        maker_rss(&s.m, s.process, i == 300 ? 9 * MIB : i == 700 ? 8 * MIB : MIB + i);
    }
    struct player *p = play(&s, (struct history_options){.resolution_ns = MS, .tick_limit = 32});
    const struct history *h = &p->replay.history;
    assert_int_equal(h->ticks[h->moment_tick].end_ns, 0);
    for (uint32_t i = h->moment_tick + 2; i < h->tick_count; i++) {
        uint64_t from = h->ticks[i - 1].end_ns / MS, to = h->ticks[i].end_ns / MS;
        uint64_t most = from < 300 && to >= 300   ? 9 * MIB
                        : from < 700 && to >= 700 ? 8 * MIB
                                                  : MIB + to;
        if (from == 300 || from == 700) /* it was so much as the tick began */
            most = from == 300 ? 9 * MIB : 8 * MIB;
        assert_int_equal(h->ticks[i].rss_high_bytes, most);
    }
    player_free(p);
}

static uint32_t edge_at(const struct history *h, uint64_t time_ns)
{
    uint32_t tick = history_tick_at(h, time_ns);
    assert_int_not_equal(tick, HISTORY_NONE);
    assert_int_equal(h->ticks[tick].end_ns, time_ns);
    assert_true(h->ticks[tick].flags & HISTORY_EDGE);
    return tick;
}

static void test_history__is_exact_at_the_ends_of_a_window(void **state)
{
    struct scene s;
    (void)state;
    struct replay_options options = player_peak();
    options.history.resolution_ns = 1000 * MS;
    options.moment.window.from.time_ns = 20 * MS + 3;
    options.moment.window.to.time_ns = 50 * MS + 7;
    scene_begin(&s);
    for (uint64_t i = 1; i <= 99; i++) {
        maker_time(&s.m, i * MS);
        maker_alloc(&s.m, 0, s.a, 10);
    }
    struct player *p = scene_play(&s, &options);
    const struct history *h = &p->replay.history;
    assert_int_equal(held(p, s.a, edge_at(h, 20 * MS + 3), false), 200);
    assert_int_equal(held(p, s.a, edge_at(h, 50 * MS + 7), false), 500);
    assert_int_equal(p->replay.window.from_ns, 20 * MS + 3);
    assert_int_equal(p->replay.window.to_ns, 50 * MS + 7);
    assert_int_equal(h->ticks[h->tick_count - 1].flags, HISTORY_END); /* that is no edge */
    player_free(p);
}

/* Ticks fill what is reserved for them: the sanitized build notices one too many. */
static void test_history__a_window_at_the_very_end_has_its_moment_in_the_last_tick(void **state)
{
    (void)state;
    for (uint64_t ticks = 250; ticks <= 260; ticks++) {
        struct replay_options options = player_peak();
        struct scene s;
        options.history.resolution_ns = MS;
        options.moment.window.from.mark = "last";
        scene_begin(&s);
        for (uint64_t i = 1; i <= ticks; i++) {
            maker_time(&s.m, i * MS);
            maker_alloc(&s.m, 0, s.a, 10);
        }
        maker_mark(&s.m, "last");
        struct player *p = scene_play(&s, &options);
        const struct history *h = &p->replay.history;
        assert_int_equal(h->moment_tick, h->tick_count - 1);
        assert_int_equal(h->end_tick, h->tick_count - 1);
        assert_int_equal(h->mark_ticks[0], h->tick_count - 1);
        assert_int_equal(h->ticks[h->moment_tick].flags,
                         HISTORY_MARK | HISTORY_END | HISTORY_MOMENT | HISTORY_EDGE);
        assert_int_equal(h->ticks[h->moment_tick].live_bytes, 10 * ticks);
        assert_int_equal(h->ticks[h->moment_tick].resident_bytes, 10 * ticks);
        assert_int_equal(held(p, s.a, h->moment_tick, false), 10 * ticks);
        player_free(p);
    }
}

/* The window is one moment long: what comes behind it, in the tick that the moment cuts, is more.
 */
static void test_history__what_comes_behind_a_window_is_not_hidden_by_its_moment(void **state)
{
    struct scene s;
    (void)state;
    struct replay_options options = player_peak();
    options.history.resolution_ns = MS;
    options.moment.window.from.mark = options.moment.window.to.mark = "now";
    scene_begin(&s);
    maker_time(&s.m, 2 * MS);
    maker_alloc(&s.m, 0, s.a, 1000);
    maker_mark(&s.m, "now");
    maker_time(&s.m, 2 * MS + 5);
    maker_free(&s.m, maker_alloc(&s.m, 0, s.b, 5000));
    maker_time(&s.m, 4 * MS);
    struct player *p = scene_play(&s, &options);
    const struct history *h = &p->replay.history;
    assert_int_equal(h->ticks[h->moment_tick].high_bytes, 1000);
    assert_int_equal(h->ticks[h->moment_tick + 1].high_bytes, 6000);
    assert_int_equal(h->ticks[h->moment_tick + 1].high_ns, 2 * MS + 5);
    assert_int_equal(h->ticks[h->moment_tick + 1].high_count, 2);
    player_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_history__tells_what_every_stack_held_at_any_time),
        cmocka_unit_test(test_history__a_tick_s_maximum_is_not_lost_between_its_ends),
        cmocka_unit_test(test_history__a_mark_stands_between_two_events_of_one_time),
        cmocka_unit_test(test_history__marks_and_the_peak_survive_merging),
        cmocka_unit_test(test_history__a_sample_counts_back_to_the_birth_of_its_block),
        cmocka_unit_test(test_history__quiet_time_takes_one_tick),
        cmocka_unit_test(test_history__what_a_site_holds_as_before_takes_no_row),
        cmocka_unit_test(test_history__tells_what_stands_beside_the_sum),
        cmocka_unit_test(test_history__what_was_resident_at_most_survives_merging),
        cmocka_unit_test(test_history__is_exact_at_the_ends_of_a_window),
        cmocka_unit_test(test_history__a_window_at_the_very_end_has_its_moment_in_the_last_tick),
        cmocka_unit_test(test_history__what_comes_behind_a_window_is_not_hidden_by_its_moment),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
