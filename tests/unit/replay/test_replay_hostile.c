/* Payloads with wrong bytes under right checksums, as nobody but an attacker writes them: whatever
 * they say, the sums agree with each other and every id can be followed. (With sanitizers this is
 * also the test that nothing is read or written out of bounds.) */
#include "tests/unit/replay/player.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static uint64_t draw(uint64_t *seed, uint64_t limit)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (*seed >> 33) % limit;
}

static void random_event(struct maker *m, uint64_t *seed, const uint32_t *threads,
                         const uint32_t *stacks)
{
    uint64_t next = encoder_next_alloc(m->encoder);
    switch (draw(seed, 12)) {
    case 0 ... 4:
        maker_alloc(m, (unsigned)draw(seed, 16), stacks[draw(seed, 4)], draw(seed, 3u << 20));
        break;
    case 5 ... 6:
        if (next)
            maker_free(m, draw(seed, next));
        break;
    case 7:
        maker_map(m, draw(seed, 99) << 16, draw(seed, 9) << 16, (uint8_t)draw(seed, 7),
                  stacks[draw(seed, 4)]);
        break;
    case 8: maker_unmap(m, draw(seed, 99) << 16, draw(seed, 9) << 16); break;
    case 9: maker_on(m, threads[draw(seed, 3)]); break;
    case 10:
        maker_alloc_at(m, 0, stacks[draw(seed, 4)], draw(seed, 100), draw(seed, 50) << 4);
        maker_resident_range(m, 0, draw(seed, 99) << 16, draw(seed, 9) << 16, draw(seed, 1 << 20));
        break;
    default: maker_unfree(m); maker_time(m, m->end_ns + draw(seed, 100));
    }
}

static void make(struct maker *m, uint64_t seed)
{
    static const char *const command[] = {"x", 0};
    uint32_t threads[3], stacks[4] = {0};
    maker_init(m, command, 1);
    m->spoil = seed;
    for (uint32_t i = 0; i < 3; i++)
        threads[i] =
            maker_thread(m, maker_process(m, i, i ? i - 1 : ID_NONE, PROCESS_FORK, ""), i, "t");
    for (uint32_t i = 1; i < 4; i++)
        stacks[i] = maker_stack(m, stacks[i - 1], maker_function(m, "f", "f.py", i), i);
    maker_on(m, threads[0]);
    for (int block = 0; block < 4; block++) {
        for (int i = 0; i < 300; i++)
            random_event(m, &seed, threads, stacks);
        maker_seal(m);
    }
    maker_finish(m, true);
}

static void check_sums(struct replay *r)
{
    uint64_t live = 0, then = 0, processes = r->model.nobody.now.live_bytes;
    for (uint32_t id = 1; id < r->sites.count; id++) {
        live += site_live(&r->sites, id).bytes;
        then += site_then(&r->sites, id).bytes;
        assert_true(site_then(&r->sites, id).resident_bytes <= site_then(&r->sites, id).bytes);
    }
    for (uint32_t id = 0; id < r->model.processes.limit; id++)
        if (model_process_at(&r->model, id))
            processes += model_process_at(&r->model, id)->now.live_bytes;
    assert_int_equal(live, r->live_bytes);
    assert_int_equal(processes, r->live_bytes);
    assert_int_equal(then, r->moment.bytes);
    assert_true(r->moment.bytes < 1ull << 60);
}

static void check_stacks(const struct replay *r)
{
    const struct symbols *s = &r->model.symbols;
    for (uint32_t id = 0; id < s->stacks.limit; id++) {
        const struct stack_node *n = symbols_stack(s, id);
        assert_true(!n || n->parent_plus_1 <= id);
    }
}

/* What the sites held at the end of every tick adds up to what the tick says. */
static void check_history(const struct replay *r)
{
    const struct history *h = &r->history;
    uint64_t *held = calloc(r->sites.count, sizeof *held), sum = 0, most = 0;
    uint32_t row = 0;
    for (uint32_t tick = 0; tick < h->tick_count; tick++) {
        for (; row < h->row_count && h->rows[row].tick == tick; row++) {
            sum += h->rows[row].bytes - held[h->rows[row].site];
            held[h->rows[row].site] = h->rows[row].bytes;
        }
        assert_int_equal(sum, h->ticks[tick].live_bytes);
        assert_true(!tick || h->ticks[tick].end_ns >= h->ticks[tick - 1].end_ns);
        most = h->ticks[tick].high_bytes > most ? h->ticks[tick].high_bytes : most;
    }
    assert_int_equal(row, h->row_count);
    assert_int_equal(most, r->moment.bytes);
    free(held);
}

static void test_replay__sums_agree_whatever_a_payload_says(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 1500; seed++) {
        struct replay_options options = player_peak();
        struct maker m;
        if (seed % 3 == 0)
            options.history = (struct history_options){1 + seed * seed, 16 + (uint32_t)seed % 99,
                                                       16 + (uint32_t)seed % 64, false};
        make(&m, seed);
        struct player *p = player_run(&m, &options);
        check_sums(&p->replay);
        check_stacks(&p->replay);
        if (seed % 3 == 0)
            check_history(&p->replay);
        player_free(p);
        maker_release(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replay__sums_agree_whatever_a_payload_says)};
    return cmocka_run_group_tests(tests, 0, 0);
}
