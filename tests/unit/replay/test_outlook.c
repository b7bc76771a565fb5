/* What is expected of a batch: hints are only given where something is likely to be far. */
#include "replay/outlook.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum { EVENTS = 4096 };

static struct event events[EVENTS];

/* A batch of frees of blocks so many allocations old, of which one in `every` is an allocation. */
static struct outlook expected(struct replay *r, uint64_t age, int every)
{
    r->next_index = 10000000;
    for (int i = 0; i < EVENTS; i++)
        events[i] = i % every ? (struct event){.kind = EVENT_FREE, .index = r->next_index - age}
                              : (struct event){.kind = EVENT_ALLOC};
    return outlook_of(r, events, EVENTS);
}

static void test_outlook__what_was_just_made_is_near(void **state)
{
    (void)state;
    struct replay r = {0};
    assert_false(expected(&r, 100, 3).blocks);
    assert_true(expected(&r, 1000000, 3).blocks);
}

static void test_outlook__an_index_that_was_never_used_is_not_far(void **state)
{
    (void)state;
    struct replay r = {0};
    assert_false(expected(&r, (uint64_t)-1000000, 3).blocks);
}

static void test_outlook__an_address_is_far_among_many(void **state)
{
    (void)state;
    struct replay r = {.blocks.table.slot_count = 1000};
    for (int i = 0; i < EVENTS; i++)
        events[i] = (struct event){.kind = EVENT_FREE_ADDRESS, .address = 64};
    assert_false(outlook_of(&r, events, EVENTS).blocks);
    r.blocks.table.slot_count = 1000000;
    assert_true(outlook_of(&r, events, EVENTS).blocks);
}

static void test_outlook__sites_are_far_where_they_are_many_and_searched_for(void **state)
{
    (void)state;
    struct replay r = {.sites = {.count = 10, .searches = EVENTS}};
    assert_false(expected(&r, 100, 3).sites);
    r.sites.count = 1000000;
    assert_false(expected(&r, 100, 3).sites);
    r.sites.searches = EVENTS;
    assert_true(expected(&r, 100, 3).sites);
    assert_false(expected(&r, 100, 3).sites);
    assert_true(expected(&r, 1000000, 3).freed_sites);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outlook__what_was_just_made_is_near),
        cmocka_unit_test(test_outlook__an_index_that_was_never_used_is_not_far),
        cmocka_unit_test(test_outlook__an_address_is_far_among_many),
        cmocka_unit_test(test_outlook__sites_are_far_where_they_are_many_and_searched_for),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
