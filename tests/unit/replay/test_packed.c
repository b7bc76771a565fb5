/* Packed pages against the places that were put in. */
#include "replay/packed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

/* Every `step`th place from `first` on. */
static void check(unsigned first, unsigned step)
{
    struct packed *p = calloc(1, packed_bytes(PACKED_PLACES));
    unsigned count = 0;
    for (unsigned i = first; i < PACKED_PLACES; i += step)
        packed_append(p, i, &(struct block){.size_bytes = i, .site = 1});
    for (unsigned i = 0; i < PACKED_PLACES; i++) {
        bool here = i >= first && (i - first) % step == 0;
        assert_ptr_equal(packed_block(p, i), here ? &p->blocks[count++] : 0);
        assert_true(!here || packed_block(p, i)->size_bytes == i);
    }
    free(p);
}

static void test_packed__a_place_leads_to_its_block(void **state)
{
    (void)state;
    check(0, 1);
    check(0, 64);
    check(63, 64);
    check(255, 1);
    for (unsigned step = 2; step < 50; step++)
        check(step / 2, step);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packed__a_place_leads_to_its_block),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
