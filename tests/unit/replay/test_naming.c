/* Names put in place of offsets: every stack says what it said, with functions for offsets. */
#include "tests/unit/starve.h"

#include "tests/unit/replay/naming_stage.h"

static void test_naming__every_stack_says_its_functions(void **state)
{
    struct stage t;
    (void)state;
    start(&t);
    assert_int_equal(naming_apply(&t.n, &t.r, &t.options), 0);
    assert_stacks(&t, all_named);
    assert_string_equal(asked_words, "a.so (aaaa) at 1234: 10 1F 21 33; b.so () at 1234: 10; "
                                     "elsewhere/a.so (aaaa) at 1234: 10; ");
    assert_int_equal(t.n.asked, 6);
    assert_int_equal(t.n.named, 5);
    assert_int_equal(t.n.module_count, 3);
    assert_int_equal(t.n.modules[0].asked, 4);
    assert_int_equal(t.n.modules[0].named, 3);
    assert_int_equal(t.n.modules[0].packed, 0);
    assert_int_equal(t.n.modules[0].status, SYMBOLISE_READ);
    assert_ptr_equal(t.n.modules[1].function, symbols_function(&t.r.model.symbols, B));
    assert_int_equal(t.n.modules[2].named, 1);
    assert_int_equal(t.r.model.symbols.defined_stacks, 10); /* two of eight became two */
    assert_int_equal(t.r.model.symbols.stacks.limit, STACK_FIRST + 10);
    stop(&t);
}

/* What a thread or an allocator of it was made by follows, too. */
static void test_naming__threads_keep_their_origin(void **state)
{
    struct stage t;
    (void)state;
    start(&t);
    assert_int_equal(naming_apply(&t.n, &t.r, &t.options), 0);
    const struct thread *made = model_thread(&t.r.model, 0), *other = model_thread(&t.r.model, 1);
    assert_string_equal(words(&t.r.model.symbols, made->origin_stack), all_named[4]);
    assert_string_equal(words(&t.r.model.symbols, site_stack(&t.r.sites, 1)), all_named[4]);
    assert_int_equal(other->origin_stack, STACK_UNKNOWN);
    assert_int_equal(site_lane(&t.r.sites, 2)->origin_stack, STACK_UNKNOWN);
    stop(&t);
}

static void test_naming__a_module_without_a_file_keeps_its_offsets(void **state)
{
    struct stage t;
    (void)state;
    start(&t);
    no_file = "a.so";
    assert_int_equal(naming_apply(&t.n, &t.r, &t.options), 0);
    assert_int_equal(t.n.modules[0].status, SYMBOLISE_MISSING);
    assert_int_equal(t.n.modules[1].status, SYMBOLISE_READ);
    assert_int_equal(t.n.modules[0].named, 0);
    assert_int_equal(t.n.named, 2);
    assert_string_equal(words(&t.r.model.symbols, t.r.sites.items[4 + 1].event_stack),
                        "job:5|job.py|; a.so:16|a.so|aaaa; a.so:33|a.so|aaaa");
    assert_string_equal(words(&t.r.model.symbols, t.r.sites.items[5 + 1].event_stack),
                        all_named[5]);
    stop(&t);
}

static void test_naming__only_the_frames_that_are_wanted(void **state)
{
    struct stage t;
    (void)state;
    start(&t);
    uint8_t wanted[16] = {0};
    wanted[symbols_stack(&t.r.model.symbols, 5)->frame] = 1;
    t.options.frames = wanted;
    assert_int_equal(naming_apply(&t.n, &t.r, &t.options), 0);
    assert_string_equal(asked_words, "b.so () at 1234: 10; ");
    assert_string_equal(words(&t.r.model.symbols, t.r.sites.items[9 + 1].event_stack),
                        "b.so 10:17|b.so|; a.so:51|a.so|aaaa");
    stop(&t);
}

static void test_naming__nothing_to_be_asked_changes_nothing(void **state)
{
    struct stage t;
    (void)state;
    start(&t);
    t.options.frames = (uint8_t[16]){0};
    assert_int_equal(naming_apply(&t.n, &t.r, &t.options), 0);
    assert_string_equal(asked_words, "");
    assert_int_equal(t.n.asked, 0);
    assert_int_equal(t.n.module_count, 0);
    for (uint32_t stack = 0; stack <= 10; stack++)
        assert_int_equal(t.r.sites.items[stack + 1].event_stack, stack);
    assert_int_equal(t.r.model.symbols.defined_stacks, 8);
    stop(&t);
}

/* ---- growth --------------------------------------------------------------------------------- */

/* A list that makes 64 frames of each offset: nodes grow by eight for one and a million, no more,
 * and every stack still ends in its innermost function. */
static void test_naming__inlined_functions_do_not_multiply_without_end(void **state)
{
    enum { NODES = 30000 };
    struct stage t;
    struct names_writer w = {0};
    struct names_frame frames[NAMES_MAX_FRAMES];
    size_t list_bytes;
    (void)state;
    start(&t);
    for (uint32_t i = 0; i < NAMES_MAX_FRAMES; i++)
        frames[i] = (struct names_frame){text("f"), text("f.c"), i};
    assert_int_equal(names_writer_add(&w, 0x10, frames, NAMES_MAX_FRAMES), 0);
    uint8_t *list = names_writer_list(&w, text(""), text("aaaa"), &list_bytes);
    t.parts = names_part_write(TRACE, list, list_bytes, &t.parts_bytes);
    t.options.parts[0] = (struct naming_parts){t.parts, t.parts_bytes};
    for (uint32_t i = 0; i < NODES; i++) { /* each below a line of its own */
        symbols_define_stack(&t.r.model.symbols, 11 + i, 2, PYTHON, 100 + i);
        symbols_define_stack(&t.r.model.symbols, 11 + NODES + i, 11 + i, A, 0x10);
    }
    uint32_t last = add_site(&t.r, 0, 10 + 2 * NODES);
    uint64_t most = 8 * (11 + 2 * NODES) + 1000000;
    assert_int_equal(naming_apply(&t.n, &t.r, &t.options), 0);
    const struct symbols *s = &t.r.model.symbols;
    /* 2 (job), 3 and 10 (64 each), 4 (2), 5, 6, 8 (1 each), 9 (2), the lines: then 64 as long as
     * the limit is below the most. */
    uint64_t before = STACK_FIRST + 1 + 64 + 2 + 1 + 1 + 1 + 2 + 64 + NODES;
    uint64_t grown = (most - before + 63) / 64;
    assert_true(grown < NODES);
    assert_int_equal(s->stacks.limit, before + 64 * grown + (NODES - grown));
    assert_int_equal(s->defined_stacks, s->stacks.limit - STACK_FIRST);
    assert_string_equal(words(s, t.r.sites.items[last].event_stack),
                        "job:5|job.py|; job:30099|job.py|; f:63|f.c|aaaa");
    free(list);
    names_writer_release(&w);
    stop(&t);
}

/* Two offsets in one line of one function, called by one line. */
static void test_naming__places_that_read_the_same_share_a_node(void **state)
{
    struct stage t;
    (void)state;
    start(&t);
    symbols_define_stack(&t.r.model.symbols, 11, 2, A, 0x33);
    symbols_define_stack(&t.r.model.symbols, 12, 6, A, 0x33);
    bring(&t, TRACE, "", "aaaa", 0x10, 0);
    bring(&t, TRACE, "", "aaaa", 0x33, 0);
    uint32_t again = add_site(&t.r, 0, 11), deeper = add_site(&t.r, 0, 12);
    assert_int_equal(naming_apply(&t.n, &t.r, &t.options), 0);
    const struct site *sites = t.r.sites.items;
    assert_int_equal(sites[again].event_stack, sites[3 + 1].event_stack);
    assert_int_not_equal(sites[deeper].event_stack, sites[3 + 1].event_stack);
    assert_string_equal(words(&t.r.model.symbols, sites[again].event_stack),
                        "job:5|job.py|; packed:1|p.c|aaaa; inner:2|a.so|aaaa");
    stop(&t);
}

/* ---- looking up alone ----------------------------------------------------------------------- */

struct taken {
    const struct naming *n;
    char words[600];
    int rc;
};

static int note(void *context, const struct naming_module *m, uint64_t offset,
                const struct names_frame *frames, uint32_t count)
{
    struct taken *t = context;
    size_t used = strlen(t->words);
    const char *last = count ? frames[count - 1].function.bytes : "-";
    snprintf(t->words + used, sizeof t->words - used, "%u %lX %u %.*s; ",
             (unsigned)(m - t->n->modules), (unsigned long)offset, count,
             count ? (int)frames[count - 1].function.length : 1, last);
    return t->rc;
}

static void test_naming__looking_up_leaves_the_replay_as_it_is(void **state)
{
    struct stage t;
    struct taken taken = {.n = &t.n};
    (void)state;
    long held = starve_held;
    start(&t);
    bring(&t, TRACE, "b.so", "", 0x10, 0);
    uint32_t frames = t.r.model.symbols.frame_count;
    assert_int_equal(naming_look_up(&t.n, &t.r, &t.options, note, &taken), 0);
    assert_string_equal(taken.words, "1 10 2 inner; 0 10 1 a.so 10; 0 1F 0 -; 0 21 2 a.so 21; "
                                     "0 33 2 a.so 33; 2 10 1 elsewhere/a.so 10; ");
    assert_int_equal(t.n.named, 5);
    assert_int_equal(t.r.model.symbols.frame_count, frames);
    assert_int_equal(t.r.model.symbols.defined_stacks, 8);
    stop(&t);
    assert_int_equal(starve_held, held);
}

static void test_naming__who_takes_may_end_it(void **state)
{
    struct stage t;
    struct taken taken = {.n = &t.n, .rc = -ERR_IO};
    (void)state;
    start(&t);
    assert_int_equal(naming_look_up(&t.n, &t.r, &t.options, note, &taken), -ERR_IO);
    assert_string_equal(taken.words, "0 10 1 a.so 10; ");
    naming_release(&t.n);
    bring(&t, TRACE, "b.so", "", 0x10, 0); /* of names that were brought along, too */
    taken.words[0] = 0;
    taken.rc = -ERR_USAGE;
    assert_int_equal(naming_look_up(&t.n, &t.r, &t.options, note, &taken), -ERR_USAGE);
    assert_string_equal(taken.words, "1 10 2 inner; ");
    naming_release(&t.n);
    look_up_rc = -ERR_NOMEM;
    assert_int_equal(naming_apply(&t.n, &t.r, &t.options), -ERR_NOMEM);
    stop(&t);
}

static void test_naming__out_of_memory_is_said_and_leaves_nothing(void **state)
{
    int rc = -ERR_NOMEM, tried = 0;
    (void)state;
    if (!STARVE_WORKS)
        skip();
    for (; rc; tried++) {
        struct stage t;
        long held = starve_held;
        start(&t);
        bring(&t, TRACE, "b.so", "", 0x10, 0);
        starve_after = tried;
        rc = naming_apply(&t.n, &t.r, &t.options);
        bool met = starve_after < 0;
        starve_after = -1;
        assert_int_equal(rc, met ? -ERR_NOMEM : 0);
        for (uint32_t stack = 0; rc && stack <= 10; stack++) /* nothing follows what is not there */
            assert_int_equal(t.r.sites.items[stack + 1].event_stack, stack);
        stop(&t);
        assert_int_equal(starve_held, held);
    }
    assert_true(tried > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_naming__every_stack_says_its_functions),
        cmocka_unit_test(test_naming__threads_keep_their_origin),
        cmocka_unit_test(test_naming__a_module_without_a_file_keeps_its_offsets),
        cmocka_unit_test(test_naming__only_the_frames_that_are_wanted),
        cmocka_unit_test(test_naming__nothing_to_be_asked_changes_nothing),
        cmocka_unit_test(test_naming__places_that_read_the_same_share_a_node),
        cmocka_unit_test(test_naming__inlined_functions_do_not_multiply_without_end),
        cmocka_unit_test(test_naming__looking_up_leaves_the_replay_as_it_is),
        cmocka_unit_test(test_naming__who_takes_may_end_it),
        cmocka_unit_test(test_naming__out_of_memory_is_said_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
