/* The rules of mapped ranges, one by one. */
#include "format/ranges.h"
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define PAGE 4096u

/* "[address+length kind tag resident] ..." in pages, so that a layout can be compared at a glance.
 */
static char *layout(const struct ranges *r)
{
    static char text[4000];
    size_t at = 0;
    text[0] = 0;
    for (const struct range *p = ranges_next(r, 0); p; p = ranges_next(r, p->address + p->length)) {
        at +=
            (size_t)snprintf(text + at, sizeof text - at, "%s%" PRIu64 "+%" PRIu64 " k%u t%" PRIu64,
                             at ? ", " : "", p->address / PAGE, p->length / PAGE, p->kind, p->tag);
        if (p->resident_bytes != RANGE_UNSAMPLED)
            at += (size_t)snprintf(text + at, sizeof text - at, " r%" PRIu64,
                                   p->resident_bytes / PAGE);
    }
    return text;
}

static void map(struct ranges *r, uint64_t page, uint64_t pages, enum map_kind kind, uint64_t tag)
{
    assert_int_equal(ranges_map(r, page * PAGE, pages * PAGE, kind, tag, NULL, NULL), 0);
}

static void unmap(struct ranges *r, uint64_t page, uint64_t pages)
{
    assert_int_equal(ranges_unmap(r, page * PAGE, pages * PAGE, NULL, NULL), 0);
}

static void remap(struct ranges *r, uint64_t old, uint64_t old_pages, uint64_t new,
                  uint64_t new_pages, uint64_t tag, bool keep)
{
    assert_int_equal(ranges_remap(r, old * PAGE, old_pages * PAGE, new *PAGE, new_pages * PAGE, tag,
                                  keep, NULL, NULL),
                     0);
}

static void resident(struct ranges *r, uint64_t page, uint64_t pages, uint64_t resident_pages)
{
    assert_int_equal(
        ranges_resident(r, page * PAGE, pages * PAGE, resident_pages * PAGE, NULL, NULL), 0);
}

static uint64_t counted(const struct ranges *r)
{
    uint64_t total = 0;
    for (const struct range *p = ranges_next(r, 0); p; p = ranges_next(r, p->address + p->length))
        total += range_counted(p);
    return total / PAGE;
}

static void test_ranges__a_fixed_mapping_over_old_ones_counts_once(void **state)
{
    (void)state;
    struct ranges r;
    ranges_init(&r);
    map(&r, 10, 10, MAP_KIND_ANONYMOUS, 1);
    map(&r, 20, 10, MAP_KIND_ANONYMOUS, 2);
    map(&r, 30, 10, MAP_KIND_ANONYMOUS, 3);
    map(&r, 15, 20, MAP_KIND_ANONYMOUS, 4);
    assert_string_equal(layout(&r), "10+5 k0 t1, 15+20 k0 t4, 35+5 k0 t3");
    assert_int_equal(counted(&r), 30);
    ranges_release(&r);
}

static void test_ranges__unmap_splits_the_middle(void **state)
{
    (void)state;
    struct ranges r;
    ranges_init(&r);
    map(&r, 10, 10, MAP_KIND_ANONYMOUS, 1);
    unmap(&r, 13, 4);
    assert_string_equal(layout(&r), "10+3 k0 t1, 17+3 k0 t1");
    unmap(&r, 0, 100);
    assert_string_equal(layout(&r), "");
    unmap(&r, 5, 5);
    assert_string_equal(layout(&r), "");
    ranges_release(&r);
}

static void test_ranges__neighbours_stay_apart(void **state)
{
    (void)state;
    struct ranges r;
    ranges_init(&r);
    map(&r, 10, 5, MAP_KIND_ANONYMOUS, 1);
    map(&r, 15, 5, MAP_KIND_ANONYMOUS, 1);
    assert_string_equal(layout(&r), "10+5 k0 t1, 15+5 k0 t1");
    ranges_release(&r);
}

static void test_ranges__lengths_round_up_and_addresses_down(void **state)
{
    (void)state;
    struct ranges r;
    ranges_init(&r);
    ranges_map(&r, PAGE + 1, 1, MAP_KIND_ANONYMOUS, 1, NULL, NULL);
    assert_string_equal(layout(&r), "1+1 k0 t1");
    ranges_map(&r, 3 * PAGE - 1, 2, MAP_KIND_ANONYMOUS, 2, NULL, NULL);
    assert_string_equal(layout(&r), "1+1 k0 t1, 2+2 k0 t2");
    ranges_map(&r, 9 * PAGE, 0, MAP_KIND_ANONYMOUS, 3, NULL, NULL);
    ranges_unmap(&r, PAGE, 0, NULL, NULL);
    assert_string_equal(layout(&r), "1+1 k0 t1, 2+2 k0 t2");
    ranges_release(&r);
}

static void test_ranges__the_end_of_the_address_space_is_an_end(void **state)
{
    (void)state;
    struct ranges r;
    const uint64_t last = UINT64_MAX / PAGE; /* number of the last page */
    ranges_init(&r);
    ranges_map(&r, (last - 3) * PAGE, UINT64_MAX, MAP_KIND_ANONYMOUS, 1, NULL, NULL);
    assert_int_equal(ranges_count(&r), 1);
    const struct range *piece = ranges_next(&r, 0);
    assert_true(piece->address == (last - 3) * PAGE && piece->length == 3 * PAGE);
    ranges_map(&r, UINT64_MAX, UINT64_MAX, MAP_KIND_ANONYMOUS, 2, NULL, NULL);
    assert_int_equal(ranges_count(&r), 1);
    ranges_remap(&r, (last - 3) * PAGE, PAGE, (last - 1) * PAGE, UINT64_MAX, 3, false, NULL, NULL);
    assert_int_equal(counted(&r), 2);
    ranges_unmap(&r, 0, UINT64_MAX, NULL, NULL);
    assert_int_equal(ranges_count(&r), 0);
    ranges_release(&r);
}

static void test_ranges__what_counts(void **state)
{
    (void)state;
    static const struct {
        enum map_kind kind;
        uint64_t unsampled, sampled;
    } rows[] = {
        {MAP_KIND_ANONYMOUS, 10, 10}, {MAP_KIND_RESERVED, 0, 4}, {MAP_KIND_NORESERVE, 0, 4},
        {MAP_KIND_FILE, 0, 0},        {MAP_KIND_SHARED, 0, 0},   {MAP_KIND_ARENA, 0, 0},
        {MAP_KIND_BRK, 10, 10},
    };
    for (size_t i = 0; i < MAP_KIND_COUNT; i++) {
        struct ranges r;
        ranges_init(&r);
        map(&r, 10, 10, rows[i].kind, 1);
        assert_int_equal(counted(&r), rows[i].unsampled);
        resident(&r, 10, 10, 4);
        assert_int_equal(counted(&r), rows[i].sampled);
        ranges_release(&r);
    }
}

static void test_ranges__a_reservation_counts_where_it_becomes_writable(void **state)
{
    (void)state;
    struct ranges r;
    ranges_init(&r);
    map(&r, 0, 100, MAP_KIND_RESERVED, 1);
    map(&r, 200, 100, MAP_KIND_NORESERVE, 2);
    assert_int_equal(ranges_protect(&r, 10 * PAGE, 20 * PAGE, true, NULL, NULL), 0);
    assert_int_equal(ranges_protect(&r, 210 * PAGE, 20 * PAGE, true, NULL, NULL), 0);
    assert_string_equal(layout(&r), "0+10 k1 t1, 10+20 k0 t1, 30+70 k1 t1, 200+100 k2 t2");
    assert_int_equal(counted(&r), 20);
    assert_int_equal(ranges_protect(&r, 0, 300 * PAGE, false, NULL, NULL), 0);
    assert_int_equal(counted(&r), 20); /* counts until unmapped, also after PROT_NONE */
    ranges_release(&r);
}

static void test_ranges__cuts_share_resident_bytes_out(void **state)
{
    (void)state;
    struct ranges r;
    ranges_init(&r);
    map(&r, 0, 10, MAP_KIND_NORESERVE, 1);
    resident(&r, 0, 10, 5);
    unmap(&r, 4, 2);
    /* at 4: 5 * 4/10 = 2 and 3 of 6; at 6: 3 * 2/6 = 1 and 2 of 4 */
    assert_string_equal(layout(&r), "0+4 k2 t1 r2, 6+4 k2 t1 r2");
    unmap(&r, 0, 20);
    map(&r, 0, 10, MAP_KIND_NORESERVE, 1);
    resident(&r, 0, 10, 5);
    map(&r, 3, 1, MAP_KIND_FILE, 2);
    /* whole pages: 5 * 3/10 = 1 and 4 of 7; 4 * 1/7 = 0 and 4 of 6 */
    assert_string_equal(layout(&r), "0+3 k2 t1 r1, 3+1 k3 t2, 4+6 k2 t1 r4");
    assert_int_equal(ranges_next(&r, 0)->resident_bytes % PAGE, 0);
    ranges_release(&r);
}

static void test_ranges__a_sample_of_a_piece_that_is_gone_changes_nothing(void **state)
{
    (void)state;
    struct ranges r;
    ranges_init(&r);
    map(&r, 0, 10, MAP_KIND_NORESERVE, 1);
    resident(&r, 0, 9, 5);
    resident(&r, 1, 9, 5);
    resident(&r, 20, 9, 5);
    assert_string_equal(layout(&r), "0+10 k2 t1");
    resident(&r, 0, 10, 50);
    assert_string_equal(layout(&r), "0+10 k2 t1 r10");
    ranges_release(&r);
}

static void test_ranges__discarded_pieces_are_not_resident(void **state)
{
    (void)state;
    struct ranges r;
    ranges_init(&r);
    map(&r, 0, 10, MAP_KIND_NORESERVE, 1);
    map(&r, 10, 10, MAP_KIND_NORESERVE, 2);
    map(&r, 20, 10, MAP_KIND_NORESERVE, 3);
    map(&r, 30, 10, MAP_KIND_NORESERVE, 4);
    resident(&r, 0, 10, 8);
    resident(&r, 10, 10, 8);
    resident(&r, 30, 10, 8);
    ranges_discard(&r, 5 * PAGE, 34 * PAGE, NULL, NULL);
    assert_string_equal(layout(&r), "0+10 k2 t1 r8, 10+10 k2 t2 r0, 20+10 k2 t3, 30+10 k2 t4 r8");
    ranges_release(&r);
}

static void test_ranges__remap_moves_and_grows(void **state)
{
    (void)state;
    struct ranges r;
    ranges_init(&r);
    map(&r, 10, 10, MAP_KIND_NORESERVE, 1);
    resident(&r, 10, 10, 6);
    map(&r, 50, 10, MAP_KIND_ANONYMOUS, 2);
    remap(&r, 10, 10, 45, 12, 3, false);
    assert_string_equal(layout(&r), "45+10 k2 t1 r6, 55+2 k2 t3, 57+3 k0 t2");
    ranges_release(&r);
}

static void test_ranges__remap_in_place_shrinks_and_grows(void **state)
{
    (void)state;
    struct ranges r;
    ranges_init(&r);
    map(&r, 10, 10, MAP_KIND_ANONYMOUS, 1);
    remap(&r, 10, 10, 10, 4, 2, false);
    assert_string_equal(layout(&r), "10+4 k0 t1");
    remap(&r, 10, 4, 10, 6, 3, false);
    assert_string_equal(layout(&r), "10+4 k0 t1, 14+2 k0 t3");
    ranges_release(&r);
}

static void test_ranges__of_no_length_change_nothing(void **state)
{
    (void)state;
    struct ranges r;
    ranges_init(&r);
    map(&r, 10, 4, MAP_KIND_ANONYMOUS, 1);
    map(&r, 11, 0, MAP_KIND_ANONYMOUS, 2);
    unmap(&r, 11, 0);
    remap(&r, 11, 0, 20, 4, 3, false);
    remap(&r, 11, 2, 20, 0, 3, false);
    assert_string_equal(layout(&r), "10+4 k0 t1");
    ranges_release(&r);
}

static void test_ranges__remap_that_shrinks_elsewhere_leaves_nothing_behind(void **state)
{
    (void)state;
    struct ranges r;
    ranges_init(&r);
    map(&r, 10, 10, MAP_KIND_ANONYMOUS, 1);
    remap(&r, 10, 10, 40, 4, 2, false);
    assert_string_equal(layout(&r), "40+4 k0 t1");
    ranges_release(&r);
}

static void test_ranges__remap_may_leave_the_old_range_mapped_and_empty(void **state)
{
    (void)state;
    struct ranges r;
    ranges_init(&r);
    map(&r, 10, 10, MAP_KIND_NORESERVE, 1);
    resident(&r, 10, 10, 6);
    remap(&r, 10, 10, 40, 10, 2, true);
    assert_string_equal(layout(&r), "10+10 k2 t1 r0, 40+10 k2 t1 r6");
    ranges_release(&r);
}

static void test_ranges__remap_of_what_is_unknown_stays_unknown(void **state)
{
    (void)state;
    struct ranges r;
    ranges_init(&r);
    map(&r, 40, 5, MAP_KIND_ANONYMOUS, 1);
    remap(&r, 10, 10, 42, 20, 2, false);
    assert_string_equal(layout(&r), "40+2 k0 t1");
    remap(&r, 10, 10, 10, 40, 2, false); /* in place, over the rest */
    assert_string_equal(layout(&r), "");
    ranges_release(&r);
}

static void test_ranges__find_knows_the_first_and_the_last_byte(void **state)
{
    (void)state;
    struct ranges r;
    ranges_init(&r);
    assert_null(ranges_find(&r, 0));
    map(&r, 10, 10, MAP_KIND_ANONYMOUS, 1);
    assert_null(ranges_find(&r, 10 * PAGE - 1));
    assert_non_null(ranges_find(&r, 10 * PAGE));
    assert_non_null(ranges_find(&r, 20 * PAGE - 1));
    assert_null(ranges_find(&r, 20 * PAGE));
    ranges_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges__a_fixed_mapping_over_old_ones_counts_once),
        cmocka_unit_test(test_ranges__unmap_splits_the_middle),
        cmocka_unit_test(test_ranges__neighbours_stay_apart),
        cmocka_unit_test(test_ranges__lengths_round_up_and_addresses_down),
        cmocka_unit_test(test_ranges__the_end_of_the_address_space_is_an_end),
        cmocka_unit_test(test_ranges__what_counts),
        cmocka_unit_test(test_ranges__a_reservation_counts_where_it_becomes_writable),
        cmocka_unit_test(test_ranges__cuts_share_resident_bytes_out),
        cmocka_unit_test(test_ranges__a_sample_of_a_piece_that_is_gone_changes_nothing),
        cmocka_unit_test(test_ranges__discarded_pieces_are_not_resident),
        cmocka_unit_test(test_ranges__remap_moves_and_grows),
        cmocka_unit_test(test_ranges__remap_in_place_shrinks_and_grows),
        cmocka_unit_test(test_ranges__of_no_length_change_nothing),
        cmocka_unit_test(test_ranges__remap_that_shrinks_elsewhere_leaves_nothing_behind),
        cmocka_unit_test(test_ranges__remap_may_leave_the_old_range_mapped_and_empty),
        cmocka_unit_test(test_ranges__remap_of_what_is_unknown_stays_unknown),
        cmocka_unit_test(test_ranges__find_knows_the_first_and_the_last_byte),
    };
    return cmocka_run_group_tests_name("ranges", tests, NULL, NULL);
}
