/* Reading sites and what was counted at them, at the peak or another moment (store.h). Why every
 * site is marked as ended and as changed since the moment: then `live` are its leaks and `then` is
 * the moment, as after a replay in which all processes ended. */
#include "analyzer/store.h"

static void check(struct store *store, bool ok)
{
    if (!ok)
        store->from.out_of_memory = true;
}

static void read_site(struct store *store, struct replay *r, struct select *s)
{
    uint64_t id = select_limited(s, UINT32_MAX);
    uint32_t stack = (uint32_t)select_limited(s, UINT32_MAX - 1);
    uint32_t thread = (uint32_t)select_limited_or(s, UINT32_MAX - 1, ID_NONE);
    uint32_t process = (uint32_t)select_limited_or(s, UINT32_MAX - 1, ID_NONE);
    unsigned allocator = (unsigned)select_limited(s, ALLOCATOR_LIMIT - 1);
    struct thread *t = model_thread(&r->model, thread);
    bool known = stack <= STACK_UNKNOWN || symbols_stack(&r->model.symbols, stack);
    if (id != r->sites.count || !known || t->id != thread || t->process->id != process)
        select_wrong(s);
    if (store->from.wrong)
        return;
    uint32_t lane = sites_lane(&r->sites, t, allocator);
    uint32_t site = lane ? sites_append(&r->sites, t, lane, stack) : 0;
    check(store, site);
    r->sites.items[site].ended = 1;
}

/* A site's id; 0 where it is none. */
static uint32_t read_id(struct select *s, const struct replay *r)
{
    uint32_t id = (uint32_t)select_limited(s, UINT32_MAX);
    if (id && id < r->sites.count)
        return id;
    select_wrong(s);
    return 0;
}

/* bytes, allocations, resident_bytes, unsampled_bytes */
static struct site_values read_values(struct select *s)
{
    struct site_values v = {.bytes = select_number(s)};
    v.count = select_limited(s, UINT32_MAX);
    v.resident_bytes = select_limited(s, v.bytes);
    v.unsampled_bytes = select_number(s);
    return v;
}

/* The rarer half of a site that has something there, or NULL. */
static struct site_more *more_of(struct store *store, struct replay *r, uint32_t site,
                                 const struct site_values *v)
{
    if (v->bytes == v->resident_bytes && !v->unsampled_bytes)
        return 0;
    check(store, !sites_make_more(&r->sites, site));
    return store->from.out_of_memory ? 0 : sites_more(&r->sites, site);
}

static void set_then(struct store *store, struct replay *r, uint32_t site,
                     const struct site_values *v)
{
    struct site_more *more = more_of(store, r, site, v);
    r->sites.items[site].then_bytes = v->bytes;
    r->sites.items[site].then_count = (uint32_t)v->count;
    if (!more)
        return;
    more->then_gap_bytes = v->bytes - v->resident_bytes;
    more->then_unsampled_bytes = v->unsampled_bytes;
}

static void set_leak(struct store *store, struct replay *r, uint32_t site,
                     const struct site_values *v)
{
    struct site_more *more = more_of(store, r, site, v);
    r->sites.items[site].live_bytes = v->bytes;
    r->sites.items[site].live_count = (uint32_t)v->count;
    if (!more)
        return;
    more->live_gap_bytes = v->bytes - v->resident_bytes;
    more->live_unsampled_bytes = v->unsampled_bytes;
}

static void read_table(struct store *store, struct replay *r, const char *table,
                       void (*set)(struct store *, struct replay *, uint32_t,
                                   const struct site_values *))
{
    struct select s;
    select_begin(&s, &store->from, table, "", 0, 0);
    while (select_row(&s)) {
        uint32_t id = read_id(&s, r);
        select_skip(&s);
        struct site_values v = read_values(&s);
        if (!store->from.wrong)
            set(store, r, id, &v);
    }
    select_end(&s);
}

static void read_sums(struct store *store, struct replay *r)
{
    struct select s;
    select_begin(&s, &store->from, "temporary", "", 0, 0);
    while (select_row(&s)) {
        struct site_temporary *sum = &r->sites.temporaries[read_id(&s, r)];
        select_skip(&s);
        sum->bytes = select_number(&s);
        sum->count = select_number(&s);
    }
    select_end(&s);
    select_begin(&s, &store->from, "allocated", "", 0, 0);
    while (select_row(&s)) {
        struct site_total *sum = &r->sites.totals[read_id(&s, r)];
        select_skip(&s);
        sum->bytes = select_number(&s);
        sum->count = select_number(&s);
    }
    select_end(&s);
}

void store_read_sites(struct store *store, struct replay *r)
{
    struct select s;
    select_begin(&s, &store->from, "site", "ORDER BY site_id", 0, 0);
    while (select_row(&s))
        read_site(store, r, &s);
    select_end(&s);
    read_table(store, r, "peak", set_then);
    read_table(store, r, "leak", set_leak);
    read_sums(store, r);
}

static void forget_peak(struct replay *r)
{
    for (uint32_t id = 1; id < r->sites.count; id++) {
        struct site_more *more = sites_more(&r->sites, id);
        r->sites.items[id].then_bytes = r->sites.items[id].then_count = 0;
        if (more)
            more->then_gap_bytes = more->then_unsampled_bytes = 0;
    }
    for (uint32_t id = 0; id < r->model.processes.limit; id++) {
        struct process *p = model_process_at(&r->model, id);
        if (p)
            p->then = (struct sums){0};
    }
}

static void read_process_then(struct store *store, struct replay *r, struct select *s)
{
    select_skip(s);
    uint64_t id = select_number(s);
    struct process *p = model_process(&r->model, id < ID_NONE ? (uint32_t)id : ID_NONE);
    select_skip(s);
    p->then.live_bytes = select_number(s);
    select_skip(s);
    p->then.rss_bytes = select_number(s);
    p->then.mapped_bytes = select_number(s);
    p->then.shared_bytes = select_number(s);
    p->then.arena_bytes = select_number(s);
    (void)store;
}

void store_read_moment(struct store *store, struct replay *r, uint32_t tick)
{
    struct select s;
    forget_peak(r);
    select_begin(&s, &store->from, "history", "WHERE from_tick <= ? AND until_tick > ?", tick,
                 tick);
    while (select_row(&s)) {
        uint32_t id = read_id(&s, r);
        select_skip(&s);
        select_skip(&s);
        struct site_values v = read_values(&s);
        if (!store->from.wrong)
            set_then(store, r, id, &v);
    }
    select_end(&s);
    select_begin(&s, &store->from, "process_timeline",
                 "WHERE tick_id <= ? ORDER BY tick_id, process_id", tick, 0);
    while (select_row(&s))
        read_process_then(store, r, &s);
    select_end(&s);
}
