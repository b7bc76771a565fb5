/* Writing sites and what is counted at them: the peak, leaks, temporary, all ever allocated,
 * allocators, sizes (store.h). Why rows only where there is something: most sites hold nothing at
 * most moments. */
#include "analyzer/store.h"

static void number_or_null(struct insert *i, uint32_t id)
{
    if (id != ID_NONE)
        insert_number(i, id);
    else
        insert_null(i);
}

static void write_sites(struct writing *to, const struct replay *r, const uint32_t *stacks)
{
    struct insert i;
    insert_begin(&i, to, "site", 5);
    for (uint32_t id = 1; id < r->sites.count; id++) {
        const struct lane *lane = site_lane(&r->sites, id);
        insert_number(&i, id);
        insert_number(&i, stacks[id]);
        number_or_null(&i, lane->thread);
        number_or_null(&i, lane->process);
        insert_number(&i, lane->allocator);
        insert_row(&i);
    }
    insert_end(&i);
}

/* A table of values by site. resident: with what was touched. */
static void write_values(struct writing *to, const char *table, const struct sites *s,
                         struct site_values (*of)(const struct sites *, uint32_t), bool resident,
                         const uint32_t *stacks)
{
    struct insert i;
    insert_begin(&i, to, table, resident ? 6 : 4);
    for (uint32_t id = 1; id < s->count; id++) {
        struct site_values v = of(s, id);
        if (!v.bytes && !v.count)
            continue;
        insert_number(&i, id);
        insert_number(&i, stacks[id]);
        insert_number(&i, v.bytes);
        insert_number(&i, v.count);
        if (resident) {
            insert_number(&i, v.resident_bytes);
            insert_number(&i, v.unsampled_bytes);
        }
        insert_row(&i);
    }
    insert_end(&i);
}

static struct site_values temporary(const struct sites *s, uint32_t id)
{
    struct site_temporary t = site_temporary(s, id);
    return (struct site_values){.bytes = t.bytes, .count = t.count};
}

static struct site_values total(const struct sites *s, uint32_t id)
{
    struct site_total t = site_total(s, id);
    return (struct site_values){.bytes = t.bytes, .count = t.count};
}

static void write_allocators(struct writing *to, const struct totals *t)
{
    struct insert i;
    insert_begin(&i, to, "allocator", 5);
    for (unsigned id = 0; id < ALLOCATOR_LIMIT; id++) {
        if (id >= ALLOCATOR_COUNT && !t->allocators[id].count)
            continue;
        insert_number(&i, id);
        insert_word(&i, allocator_name(id));
        insert_number(&i, allocator_pooled(id) != 0);
        insert_number(&i, t->allocators[id].count);
        insert_number(&i, t->allocators[id].bytes);
        insert_row(&i);
    }
    insert_end(&i);
}

static void write_sizes(struct writing *to, const struct totals *t)
{
    struct insert i;
    insert_begin(&i, to, "size_histogram", 3);
    for (unsigned k = 0; k < sizeof t->sizes / sizeof *t->sizes; k++) {
        if (!t->sizes[k])
            continue;
        insert_number(&i, k ? UINT64_C(1) << (k - 1) : 0);
        insert_number(&i, (UINT64_C(1) << k) - 1);
        insert_number(&i, t->sizes[k]);
        insert_row(&i);
    }
    insert_end(&i);
}

void store_write_sites(struct writing *to, const struct replay *r, const uint32_t *stacks)
{
    write_sites(to, r, stacks);
    write_values(to, "peak", &r->sites, site_then, true, stacks);
    write_values(to, "leak", &r->sites, site_leak, true, stacks);
    write_values(to, "temporary", &r->sites, temporary, false, stacks);
    write_values(to, "allocated", &r->sites, total, false, stacks);
    write_allocators(to, &r->totals);
    write_sizes(to, &r->totals);
}
