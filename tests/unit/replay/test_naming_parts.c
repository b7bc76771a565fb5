/* Names that a trace brings along: they are used where they are of its modules, and whatever their
 * bytes are, nothing else changes. */
#include "tests/unit/replay/naming_stage.h"

static void test_naming_parts__names_that_were_brought_along_are_not_asked_for(void **state)
{
    struct stage t;
    (void)state;
    start(&t);
    bring(&t, TRACE, "wherever/a.so", "aaaa", 0x10, 0x33);
    bring(&t, TRACE, "b.so", "", 0x10, 0);
    assert_int_equal(naming_apply(&t.n, &t.r, &t.options), 0);
    assert_string_equal(asked_words, "a.so (aaaa) at 1234: 1F 21; ");
    assert_int_equal(t.n.modules[0].packed, 2);
    assert_int_equal(t.n.modules[0].named, 2);
    assert_int_equal(t.n.modules[1].packed, 1);
    assert_int_equal(t.n.modules[2].packed, 1); /* the same file, wherever it lay */
    assert_int_equal(t.n.modules[1].status, SYMBOLISE_READ);
    assert_int_equal(t.n.named, 4);
    assert_string_equal(words(&t.r.model.symbols, t.r.sites.items[3 + 1].event_stack),
                        "job:5|job.py|; packed:1|p.c|aaaa; inner:2|a.so|aaaa");
    assert_string_equal(words(&t.r.model.symbols, t.r.sites.items[9 + 1].event_stack),
                        "packed:1|p.c|; inner:2|b.so|; a.so:51|a.so|aaaa");
    stop(&t);
}

/* The build id where there is one, else the path; of this trace. */
static void test_naming_parts__lists_of_other_files_are_not_used(void **state)
{
    static const struct {
        uint64_t trace;
        const char *path, *build_id;
    } others[] = {{TRACE, "a.so", ""},     {TRACE, "a.so", "aaab"},    {TRACE, "a.so", "aaa"},
                  {TRACE, "c.so", ""},     {TRACE, "b.s", ""},         {TRACE, "b.so", "aaab"},
                  {TRACE + 1, "b.so", ""}, {TRACE + 1, "a.so", "aaaa"}};
    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct stage t;
        start(&t);
        bring(&t, others[i].trace, others[i].path, others[i].build_id, 0x10, 0);
        assert_int_equal(naming_apply(&t.n, &t.r, &t.options), 0);
        assert_stacks(&t, all_named);
        assert_int_equal(t.n.modules[0].packed + t.n.modules[1].packed + t.n.modules[2].packed, 0);
        stop(&t);
    }
}

/* What is in the trace comes before what lies beside it; the first answer of two counts. */
static void test_naming_parts__the_first_of_two_answers_counts(void **state)
{
    struct stage t;
    (void)state;
    start(&t);
    bring(&t, TRACE, "b.so", "", 0x10, 0);
    uint8_t *first = t.parts;
    size_t first_bytes = t.parts_bytes;
    t.parts = 0;
    t.parts_bytes = 0;
    bring(&t, TRACE, "a.so", "aaaa", 0x21, 0);
    bring(&t, TRACE, "b.so", "", 0x0F, 0x10);
    t.options.parts[1] = t.options.parts[0];
    t.options.parts[0] = (struct naming_parts){first, first_bytes};
    assert_int_equal(naming_apply(&t.n, &t.r, &t.options), 0);
    assert_string_equal(asked_words,
                        "a.so (aaaa) at 1234: 10 1F 33; elsewhere/a.so (aaaa) at 1234: 10; ");
    assert_int_equal(t.n.modules[1].named, 1);
    assert_int_equal(t.n.modules[1].packed, 1);
    assert_string_equal(words(&t.r.model.symbols, t.r.sites.items[5 + 1].event_stack),
                        "packed:1|p.c|; inner:2|b.so|");
    free(first);
    stop(&t);
}

/* Whatever the bytes are: what comes before the damage is used, and nothing beyond the end read. */
static void test_naming_parts__damaged_parts_end_where_they_are_damaged(void **state)
{
    struct stage whole, t;
    (void)state;
    start(&whole);
    whole.n = (struct naming){0};
    bring(&whole, TRACE, "b.so", "", 0x10, 0);
    size_t first = whole.parts_bytes;
    bring(&whole, TRACE, "a.so", "aaaa", 0x10, 0);
    for (size_t cut = 0; cut <= whole.parts_bytes; cut++) {
        uint8_t *exact = malloc(cut ? cut : 1);
        memcpy(exact, whole.parts, cut);
        start(&t);
        t.options.parts[1] = (struct naming_parts){exact, cut};
        assert_int_equal(naming_apply(&t.n, &t.r, &t.options), 0);
        assert_int_equal(t.n.modules[1].packed, cut >= first);
        assert_int_equal(t.n.modules[0].packed, cut == whole.parts_bytes);
        assert_int_equal(t.n.named, 5);
        stop(&t);
        free(exact);
    }
    for (size_t at = 0; at < first; at++) {
        start(&t);
        whole.parts[at] ^= 0x10;
        t.options.parts[0] = (struct naming_parts){whole.parts, whole.parts_bytes};
        assert_int_equal(naming_apply(&t.n, &t.r, &t.options), 0);
        assert_int_equal(t.n.modules[1].packed, 0);
        assert_int_equal(t.n.modules[0].packed, at >= SKIPPABLE_BYTES); /* its size was right */
        whole.parts[at] ^= 0x10;
        stop(&t);
    }
    stop(&whole);
}

/* A list that is no list stands in a whole part: those behind it are read. */
static void test_naming_parts__a_list_that_is_wrong_costs_no_other(void **state)
{
    static const char wrong[] = "\x04"
                                "b.so\x00\x01\x01x\x02\x10\x01\x00\x00\x05\x01"; /* ends early */
    struct stage t;
    size_t part_bytes;
    (void)state;
    start(&t);
    t.parts = names_part_write(TRACE, (const uint8_t *)wrong, sizeof wrong - 1, &part_bytes);
    t.parts_bytes = part_bytes;
    bring(&t, TRACE, "a.so", "aaaa", 0x10, 0);
    assert_int_equal(naming_apply(&t.n, &t.r, &t.options), 0);
    assert_int_equal(t.n.modules[0].packed, 1);
    assert_int_equal(t.n.modules[1].packed, 1); /* what came before it ended */
    assert_string_equal(words(&t.r.model.symbols, t.r.sites.items[5 + 1].event_stack), "x:5|x|");
    stop(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_naming_parts__names_that_were_brought_along_are_not_asked_for),
        cmocka_unit_test(test_naming_parts__lists_of_other_files_are_not_used),
        cmocka_unit_test(test_naming_parts__the_first_of_two_answers_counts),
        cmocka_unit_test(test_naming_parts__damaged_parts_end_where_they_are_damaged),
        cmocka_unit_test(test_naming_parts__a_list_that_is_wrong_costs_no_other),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
