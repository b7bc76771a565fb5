/* Python and C frames put together: where a loop is, Python frames are; what is left over stands
 * where nothing is guessed. */
#include "recorder/collector/chains.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { STACKS_MAX = 4096 };

static struct event defined[STACKS_MAX];
static uint32_t defined_count;
static struct names *names;
static struct chains chains;
static uint32_t last_node;

static uint32_t take(void *context, const struct event *ev)
{
    static uint32_t functions;
    (void)context;
    if (ev->kind == EVENT_RECORD)
        return 1000 + ++functions;
    defined[defined_count] = *ev;
    return 2 + defined_count++;
}

static int begin(void **state)
{
    (void)state;
    names = names_new(take, NULL, 1 << 12);
    chains = (struct chains){0};
    defined_count = 0;
    last_node = 1;
    return names ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    chains_release(&chains);
    names_free(names);
    return 0;
}

static uint32_t node(uint32_t parent, uint32_t function, uint32_t line)
{
    struct chain_node as = {.parent = parent, .function = function, .line = line};
    assert_true(chains_define(&chains, ++last_node, &as));
    return last_node;
}

static uint32_t pair(uint32_t python, uint32_t native) { return node(python, CHAIN_PAIR, native); }

/* The functions of a stack as text, outermost first: a letter each, a loop's own function as !. */
static const char *told(uint32_t of)
{
    static char text[256];
    char *at = text + sizeof text - 1;
    uint32_t stack = chains_stack(&chains, names, of);
    for (; stack > STACK_UNKNOWN; stack = (uint32_t)defined[stack - 2].parent) {
        uint32_t function = defined[stack - 2].function;
        *--at = function > 1000 ? '!' : (char)function;
    }
    if (stack == STACK_UNKNOWN)
        *--at = '?';
    return at;
}

/* A chain of letters; '|' and 'E' are the marks. */
static uint32_t chain(const char *letters)
{
    uint32_t at = 0;
    for (; *letters; letters++)
        at = node(at,
                  *letters == '|'   ? CHAIN_ENTRY
                  : *letters == 'E' ? CHAIN_EVAL
                                    : (uint32_t)*letters,
                  0);
    return at;
}

static void test_chains__python_frames_stand_where_their_loop_is(void **state)
{
    (void)state;
    assert_string_equal(told(pair(chain("|mf|gh|k"), chain("srEtEcEa"))), "srmftghcka");
    assert_string_equal(told(pair(chain("|m"), chain("sE"))), "sm");
    assert_string_equal(told(pair(chain("|m|"), chain("sEaEb"))), "smab"); /* no frame yet */
}

static void test_chains__before_3_11_every_frame_has_a_loop(void **state)
{
    (void)state;
    chains.each_is_entry = true;
    assert_string_equal(told(pair(chain("mfg"), chain("sEEtEa"))), "smftga");
}

static void test_chains__in_3_9_a_loop_may_be_ahead_of_its_frame(void **state)
{
    (void)state;
    chains.each_is_entry = chains.may_be_ahead = true;
    assert_string_equal(told(pair(chain("mf"), chain("sEaEbEc"))), "smafb!c");
    assert_string_equal(told(pair(chain("mf"), chain("sEaEb"))), "smafb");
}

static void test_chains__what_is_left_over_is_not_guessed(void **state)
{
    (void)state;
    assert_string_equal(told(pair(chain("|m|f|g"), chain("Ea"))), "mfga"); /* the walk was cut */
    assert_string_equal(told(pair(chain("|m|f"), chain("xyz"))), "mfxyz");
    assert_string_equal(told(pair(chain("|g"), chain("sEoEa"))), "s!oga"); /* another's loop */
    assert_string_equal(told(chain("sEa")), "s!a");
    assert_string_equal(told(chain("|m|f")), "mf");
}

static void test_chains__a_thread_stands_under_its_creator(void **state)
{
    (void)state;
    uint32_t creator = pair(chain("|m"), chain("sEc"));
    uint32_t thread = node(creator, CHAIN_CONCAT, chain("tw"));
    assert_string_equal(told(thread), "smctw");
    assert_string_equal(told(node(thread, CHAIN_CONCAT, chain("tx"))), "smctwtx");
}

static void test_chains__a_pair_is_one_stack_however_it_is_come_by(void **state)
{
    (void)state;
    uint32_t python = chain("|m|f"), native = chain("sEaEb");
    uint32_t one = chains_stack(&chains, names, pair(python, native));
    assert_int_equal(chains_stack(&chains, names, pair(python, native)), one);
    uint32_t more =
        pair(node(node(python, CHAIN_ENTRY, 0), 'g', 0), node(node(native, CHAIN_EVAL, 0), 'c', 0));
    assert_string_equal(told(more), "smafbgc"); /* what stands outside is taken from the memo */
    chains_release(&chains);
}

static void test_chains__lies_are_refused(void **state)
{
    (void)state;
    uint32_t there = chain("ab");
    struct chain_node own = {.parent = there + 1, .function = 'x'},
                      half = {.parent = there, .function = CHAIN_PAIR, .line = there + 1};
    struct chain_node far = {.parent = there, .function = 'x'};
    assert_false(chains_define(&chains, there + 1, &own));
    assert_false(chains_define(&chains, there + 1, &half));
    assert_false(chains_define(&chains, there + 100000, &far));
    assert_int_equal(chains_stack(&chains, names, 4000000), STACK_UNKNOWN);
    assert_int_equal(chains_stack(&chains, names, 0), 0);
}

static void test_chains__a_child_knows_what_its_parent_knew(void **state)
{
    (void)state;
    struct chains child;
    uint32_t of = pair(chain("|m"), chain("sEa"));
    uint32_t stack = chains_stack(&chains, names, of);
    assert_true(chains_copy(&child, &chains));
    assert_int_equal(chains_known(&child, of), stack);
    assert_int_equal(chains_stack(&child, names, of), stack);
    assert_true(chains_bytes(&child) > 0);
    chains_release(&child);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(test_chains__python_frames_stand_where_their_loop_is),
        TEST(test_chains__before_3_11_every_frame_has_a_loop),
        TEST(test_chains__in_3_9_a_loop_may_be_ahead_of_its_frame),
        TEST(test_chains__what_is_left_over_is_not_guessed),
        TEST(test_chains__a_thread_stands_under_its_creator),
        TEST(test_chains__a_pair_is_one_stack_however_it_is_come_by),
        TEST(test_chains__lies_are_refused),
        TEST(test_chains__a_child_knows_what_its_parent_knew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
