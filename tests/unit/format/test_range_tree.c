/* The tree of mapped pieces: balanced whatever comes and goes, and the same answers as a sorted
 * array looked through from its start. */
#include "format/event.h"
#include "format/range_tree.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define PLACES 600u /* of pieces in the array */
#define MANY   100000u

/* ---- the rules of the tree ---- */

static unsigned holds_of(const struct range *piece)
{
    unsigned resident = piece->resident_bytes != RANGE_UNSAMPLED && piece->resident_bytes;
    return (piece->kind == MAP_KIND_RESERVED) * RANGE_RESERVED + resident * RANGE_RESIDENT;
}

/* Returns the depth. *low rises to the end of the last piece; *holds gets what the subtree does. */
static unsigned check_under(const struct range_tree *t, uint32_t n, uint64_t *low, unsigned *holds,
                            size_t *count)
{
    const struct range_node *at = &t->nodes[n];
    unsigned left_holds, right_holds;
    *holds = 0;
    if (!n)
        return 0;
    unsigned left = check_under(t, at->left, low, &left_holds, count);
    assert_true(at->piece.length > 0 && at->piece.address >= *low);
    *low = at->piece.address + at->piece.length;
    unsigned right = check_under(t, at->right, low, &right_holds, count);
    *holds = left_holds | right_holds | holds_of(&at->piece);
    ++*count;
    assert_int_equal(at->holds, *holds);
    assert_int_equal(t->nodes[at->left].level, at->level - 1);
    unsigned beside = t->nodes[at->right].level;
    assert_true(beside == at->level || beside == at->level - 1u);
    assert_true(t->nodes[t->nodes[at->right].right].level < at->level);
    return 1 + (left > right ? left : right);
}

static void check_tree(const struct range_tree *t)
{
    uint64_t low = 0;
    unsigned holds, most = 0;
    size_t count = 0;
    unsigned depth = check_under(t, t->root, &low, &holds, &count);
    assert_int_equal(count, t->count);
    while ((size_t)1 << most <= t->count)
        most++;
    assert_true(depth <= 2 * most);
}

/* ---- the array ---- */

static struct range array[PLACES]; /* of length 0 where none is */

static const struct range *array_after(uint64_t address, unsigned what)
{
    for (unsigned i = 0; i < PLACES; i++)
        if (array[i].length && array[i].address + array[i].length > address &&
            (!what || holds_of(&array[i]) & what))
            return &array[i];
    return NULL;
}

static const struct range *array_before(uint64_t address)
{
    for (unsigned i = PLACES; i-- > 0;)
        if (array[i].length && array[i].address < address)
            return &array[i];
    return NULL;
}

static void compare(const struct range *a, const struct range *b)
{
    assert_int_equal(a == NULL, b == NULL);
    if (a && b) {
        assert_true(a->address == b->address && a->length == b->length && a->tag == b->tag);
        assert_true(a->kind == b->kind && a->resident_bytes == b->resident_bytes);
    }
}

static uint64_t state;

static unsigned below(unsigned limit)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((state >> 33) % limit);
}

static struct range some_piece(unsigned place)
{
    static const uint8_t kinds[] = {MAP_KIND_ANONYMOUS, MAP_KIND_ANONYMOUS, MAP_KIND_RESERVED};
    static const uint64_t resident[] = {RANGE_UNSAMPLED, RANGE_UNSAMPLED, 0, 4096};
    return (struct range){.address = (uint64_t)place * 16,
                          .length = 1 + below(16),
                          .resident_bytes = resident[below(4)],
                          .tag = state,
                          .kind = kinds[below(3)]};
}

/* grow: of 8, how many steps add where nothing is. */
static void step(struct range_tree *t, unsigned grow)
{
    unsigned place = below(PLACES);
    struct range piece = some_piece(place);
    bool change = below(8) < grow;
    if (!array[place].length && change) {
        assert_int_equal(range_tree_reserve(t, 1), 0);
        range_tree_add(t, &piece);
        array[place] = piece;
    } else if (array[place].length && change) {
        piece.length = 1 + below((unsigned)array[place].length);
        range_tree_replace(t, &piece);
        array[place] = piece;
    } else if (array[place].length) {
        range_tree_remove(t, piece.address);
        array[place] = (struct range){0};
    }
}

static void test_range_tree__random_changes_agree_with_a_sorted_array(void **unused)
{
    (void)unused;
    for (unsigned round = 0; round < 12; round++) {
        struct range_tree t;
        range_tree_init(&t);
        memset(array, 0, sizeof array);
        state = round + 1;
        for (unsigned i = 0; i < 3000; i++) {
            uint64_t address = below(PLACES * 16 + 20);
            step(&t, i < 1500 ? 6 : 2);
            if (t.nodes)
                check_tree(&t);
            for (unsigned what = RANGE_ANY; what <= RANGE_RESIDENT; what++)
                compare(range_tree_after(&t, address, what), array_after(address, what));
            compare(range_tree_before(&t, address), array_before(address));
        }
        range_tree_release(&t);
    }
}

/* ---- orders that an attacker or a kernel would choose ---- */

static uint64_t rising(uint64_t i) { return i; }
static uint64_t falling(uint64_t i) { return MANY - i; }
static uint64_t from_both_ends(uint64_t i) { return i & 1 ? 2 * MANY - i : i; }
static uint64_t inwards(uint64_t i) { return i & 1 ? MANY + i : MANY - i; }

static void fill(struct range_tree *t, uint64_t order(uint64_t))
{
    for (uint64_t i = 0; i < MANY; i++) {
        struct range piece = {order(i) * 2 + 2, 1, RANGE_UNSAMPLED, i, MAP_KIND_ANONYMOUS};
        assert_int_equal(range_tree_reserve(t, 1), 0);
        range_tree_add(t, &piece);
    }
}

static void test_range_tree__stays_flat_in_any_order(void **unused)
{
    (void)unused;
    static uint64_t (*const orders[])(uint64_t) = {rising, falling, from_both_ends, inwards};
    for (unsigned i = 0; i < 4; i++) {
        struct range_tree t;
        range_tree_init(&t);
        fill(&t, orders[i]);
        check_tree(&t);
        for (uint64_t gone = 0; gone < MANY; gone += 2)
            range_tree_remove(&t, orders[i](gone) * 2 + 2);
        check_tree(&t);
        assert_int_equal(t.count, MANY / 2);
        size_t used = t.used, capacity = t.capacity;
        for (uint64_t back = 0; back < MANY; back += 2) { /* places that were left are taken again
                                                           */
            struct range piece = {orders[i](back) * 2 + 2, 1, 0, back, MAP_KIND_ANONYMOUS};
            range_tree_add(&t, &piece);
        }
        check_tree(&t);
        assert_true(t.used == used && t.capacity == capacity);
        range_tree_release(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_range_tree__random_changes_agree_with_a_sorted_array),
        cmocka_unit_test(test_range_tree__stays_flat_in_any_order),
    };
    return cmocka_run_group_tests_name("range_tree", tests, NULL, NULL);
}
