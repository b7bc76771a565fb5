/* Mapped ranges under random histories, against a page-by-page model and against what a listener
 * keeps. */
#include "format/error.h"
#include "format/ranges.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define PAGE     4096u
#define PAGES    96u /* of the model's address space */
#define LIVE_MAX 4096u

/* What a caller keeps from the changes alone. */
struct told {
    struct range pieces[LIVE_MAX];
    size_t count;
    int64_t counted;
};

static bool same(const struct range *a, const struct range *b)
{
    return a->address == b->address && a->length == b->length && a->tag == b->tag &&
           a->kind == b->kind && a->resident_bytes == b->resident_bytes;
}

static void listen(void *context, const struct range *before, const struct range *after)
{
    struct told *t = context;
    assert_true(before || after);
    if (before) {
        size_t i = 0;
        while (i < t->count && !same(&t->pieces[i], before))
            i++;
        assert_true(i < t->count); /* what was there before is what was told before */
        t->pieces[i] = t->pieces[--t->count];
        t->counted -= (int64_t)range_counted(before);
    }
    if (after) {
        assert_true(t->count < LIVE_MAX);
        t->pieces[t->count++] = *after;
        t->counted += (int64_t)range_counted(after);
    }
}

/* The invariants of ranges.h, and that the changes told the whole truth. */
static void check(const struct ranges *r, const struct told *t)
{
    int64_t counted = 0;
    uint64_t end = 0;
    size_t count = 0;
    for (const struct range *piece; (piece = ranges_next(r, end)) != NULL; count++) {
        assert_true(piece->length > 0 && piece->length % PAGE == 0 && piece->address % PAGE == 0);
        assert_true(end <= piece->address);
        end = piece->address + piece->length;
        assert_true(piece->resident_bytes == RANGE_UNSAMPLED ||
                    piece->resident_bytes <= piece->length);
        size_t j = 0;
        while (j < t->count && !same(&t->pieces[j], piece))
            j++;
        assert_true(j < t->count);
        counted += (int64_t)range_counted(piece);
    }
    assert_int_equal(count, t->count);
    assert_int_equal(ranges_count(r), t->count);
    assert_true(counted == t->counted);
    for (size_t place = 0; place < ranges_places(r); place++)
        count -= ranges_at(r, place) != NULL;
    assert_int_equal(count, 0);
}

/* ---- the model: one entry a page ---- */

struct page {
    bool mapped;
    uint8_t kind;
    uint64_t tag;
};

struct model {
    struct page pages[PAGES];
};

static void model_map(struct model *m, unsigned from, unsigned pages, uint8_t kind, uint64_t tag)
{
    for (unsigned i = from; i < from + pages; i++)
        m->pages[i] = (struct page){true, kind, tag};
}

static void model_unmap(struct model *m, unsigned from, unsigned pages)
{
    memset(&m->pages[from], 0, pages * sizeof *m->pages);
}

static void model_protect(struct model *m, unsigned from, unsigned pages)
{
    for (unsigned i = from; i < from + pages; i++)
        if (m->pages[i].mapped && m->pages[i].kind == MAP_KIND_RESERVED)
            m->pages[i].kind = MAP_KIND_ANONYMOUS;
}

static void model_remap(struct model *m, unsigned from, unsigned pages, unsigned to,
                        unsigned new_pages, uint64_t tag, bool keep)
{
    struct page moved[PAGES], last = {0};
    memcpy(moved, &m->pages[from], pages * sizeof *moved);
    for (unsigned i = 0; i < pages; i++)
        if (moved[i].mapped)
            last = moved[i];
    last.tag = tag;
    if (!keep || from == to)
        model_unmap(m, from, pages);
    model_unmap(m, to, new_pages);
    for (unsigned i = 0; i < new_pages; i++)
        m->pages[to + i] = i < pages ? moved[i] : last;
}

static void model_compare(const struct model *m, const struct ranges *r)
{
    for (unsigned i = 0; i < PAGES; i++) {
        const struct range *piece = ranges_find(r, (uint64_t)i * PAGE + i);
        assert_int_equal(piece != NULL, m->pages[i].mapped);
        if (!piece)
            continue;
        assert_int_equal(piece->kind, m->pages[i].kind);
        assert_true(piece->tag == m->pages[i].tag);
    }
}

static uint64_t bits(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

/* A byte range inside `pages` pages that touches the first and the last. */
static void ragged(uint64_t *seed, unsigned from, unsigned pages, uint64_t *address,
                   uint64_t *length)
{
    uint64_t skip = bits(seed) % 3 ? 0 : bits(seed) % PAGE;
    uint64_t less = bits(seed) % 3 ? 0 : bits(seed) % PAGE;
    *address = (uint64_t)from * PAGE + skip;
    *length = (uint64_t)pages * PAGE - skip;
    if (*length > less && pages > 1)
        *length -= less;
}

static void step(struct ranges *r, struct model *m, struct told *t, uint64_t *seed)
{
    unsigned from = (unsigned)(bits(seed) % PAGES);
    unsigned pages = 1 + (unsigned)(bits(seed) % (PAGES - from)) % 20;
    unsigned to = (unsigned)(bits(seed) % PAGES), new_pages = 1 + (unsigned)(bits(seed) % 20);
    uint64_t tag = bits(seed), address, length;
    uint8_t kind = (uint8_t)(bits(seed) % MAP_KIND_COUNT);
    ragged(seed, from, pages, &address, &length);
    switch (bits(seed) % 7) {
    case 0:
    case 1:
        assert_int_equal(ranges_map(r, address, length, kind, tag, listen, t), 0);
        model_map(m, from, pages, kind, tag);
        break;
    case 2:
        assert_int_equal(ranges_unmap(r, address, length, listen, t), 0);
        model_unmap(m, from, pages);
        break;
    case 3:
        assert_int_equal(ranges_protect(r, address, length, tag % 4, listen, t), 0);
        if (tag % 4)
            model_protect(m, from, pages);
        break;
    case 4: assert_int_equal(ranges_discard(r, address, length, listen, t), 0); break;
    case 5:
        if (ranges_count(r)) {
            const struct range *near = ranges_next(r, address);
            const struct range piece = near ? *near : *ranges_next(r, 0);
            ranges_resident(r, piece.address, piece.length, bits(seed) % (piece.length + 5000),
                            listen, t);
        }
        break;
    default:
        if (bits(seed) % 4 == 0)
            to = from;
        if (new_pages > PAGES - to)
            new_pages = PAGES - to;
        bool keep = to != from && bits(seed) % 4 == 0;
        ranges_remap(r, (uint64_t)from * PAGE, (uint64_t)pages * PAGE, (uint64_t)to * PAGE,
                     (uint64_t)new_pages * PAGE, tag, keep, listen, t);
        model_remap(m, from, pages, to, new_pages, tag, keep);
        break;
    }
}

static void test_ranges_history__random_histories_agree_with_a_page_model(void **state)
{
    (void)state;
    static struct told told;
    for (uint64_t round = 1; round <= 60; round++) {
        struct ranges r;
        struct model m = {0};
        uint64_t seed = round;
        told.count = 0;
        told.counted = 0;
        ranges_init(&r);
        for (int i = 0; i < 400; i++) {
            step(&r, &m, &told, &seed);
            check(&r, &told);
            model_compare(&m, &r);
        }
        ranges_release(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges_history__random_histories_agree_with_a_page_model),
    };
    return cmocka_run_group_tests_name("ranges_history", tests, NULL, NULL);
}
