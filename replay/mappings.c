/* Mapping events: what each changed piece adds to its site and its process (mappings.h). Why by
 * differences: ranges report pieces before and after, and the sums follow. */
#include "replay/mappings.h"

#include "replay/residency.h"

#define ARENA_RESERVATION_BYTES (UINT64_C(4) << 20)

/* What one piece adds to its site and its process. */
struct share {
    uint64_t bytes, count, gap_bytes, unsampled_bytes, mapped_bytes, shared_bytes, arena_bytes;
};

struct change {
    struct replay *replay;
    struct process *process;
    bool sample;  /* a RESIDENT_RANGE: what is known of the past changes too */
    uint64_t tag; /* of a new mapping */
};

static struct share anonymous(const struct range *piece)
{
    struct share s = {.bytes = piece->length, .count = 1};
    if (piece->resident_bytes == RANGE_UNSAMPLED)
        s.unsampled_bytes = piece->length >= BIG_BLOCK_BYTES ? piece->length : 0;
    else if (piece->resident_bytes < piece->length)
        s.gap_bytes = piece->length - piece->resident_bytes;
    return s;
}

static struct share reserved(const struct range *piece)
{
    bool sampled = piece->resident_bytes != RANGE_UNSAMPLED;
    return (struct share){
        .bytes = range_counted(piece), .count = 1, .unsampled_bytes = sampled ? 0 : piece->length};
}

/* What an arena holds of the machine's memory: its length, for its pages are handed out from front
 * to back and stay; but a large one is a reservation (mimalloc's are of 1 GiB): what was sampled.
 */
static uint64_t arena_bytes(const struct range *piece)
{
    if (piece->length <= ARENA_RESERVATION_BYTES)
        return piece->length;
    return piece->resident_bytes == RANGE_UNSAMPLED ? 0 : piece->resident_bytes;
}

static struct share share_of(const struct range *piece)
{
    if (!piece)
        return (struct share){0};
    switch (piece->kind) {
    case MAP_KIND_ANONYMOUS:
    case MAP_KIND_BRK: return anonymous(piece);
    case MAP_KIND_RESERVED:
    case MAP_KIND_NORESERVE: return reserved(piece);
    case MAP_KIND_FILE: return (struct share){.mapped_bytes = piece->length};
    case MAP_KIND_SHARED: return (struct share){.shared_bytes = piece->length};
    case MAP_KIND_ARENA: return (struct share){.arena_bytes = arena_bytes(piece)};
    default: return (struct share){0};
    }
}

static struct share difference(const struct share *a, const struct share *b)
{
    return (struct share){a->bytes - b->bytes,
                          a->count - b->count,
                          a->gap_bytes - b->gap_bytes,
                          a->unsampled_bytes - b->unsampled_bytes,
                          a->mapped_bytes - b->mapped_bytes,
                          a->shared_bytes - b->shared_bytes,
                          a->arena_bytes - b->arena_bytes};
}

static void add_to_process(const struct change *c, const struct share *s)
{
    process_touch(c->replay, c->process);
    struct sums *now = &c->process->now;
    now->live_bytes += s->bytes;
    now->mapped_bytes += s->mapped_bytes;
    now->shared_bytes += s->shared_bytes;
    now->arena_bytes += s->arena_bytes;
    c->replay->live_bytes += s->bytes;
}

static void add_to_site(const struct change *c, uint32_t id, const struct share *s)
{
    struct sites *sites = &c->replay->sites;
    struct site *site = &sites->items[id];
    if (s->bytes || s->count) {
        site_touch(sites, site);
        site->live_bytes += s->bytes;
        site->live_count += (uint32_t)s->count;
        c->replay->pieces += s->count;
    }
    if (s->gap_bytes || s->unsampled_bytes) {
        struct site_more *more = sites_more(sites, id);
        site_more_touch(sites, more);
        more->live_gap_bytes += s->gap_bytes;
        more->live_unsampled_bytes += s->unsampled_bytes;
        history_gap_now(c->replay, id, s->gap_bytes, s->unsampled_bytes);
    }
}

/* A sample of a piece that counts by its length tells what was touched of it, also at the moment if
 * it existed then. */
static bool corrects_past(const struct change *c, const struct range *before,
                          const struct range *after)
{
    if (!c->sample || !before || !after)
        return false;
    return after->kind == MAP_KIND_ANONYMOUS || after->kind == MAP_KIND_BRK;
}

static void correct(const struct change *c, uint64_t tag, const struct share *s)
{
    struct site_more *more = sites_more(&c->replay->sites, (uint32_t)tag);
    bool existed = tag >> 32 <= c->replay->moment.map_serial;
    if (!existed)
        site_more_touch(&c->replay->sites, more);
    more->live_gap_bytes += s->gap_bytes;
    more->live_unsampled_bytes += s->unsampled_bytes;
    history_gap_since_map(c->replay, (uint32_t)tag, (uint32_t)(tag >> 32), s->gap_bytes,
                          s->unsampled_bytes);
    if (more->epoch < c->replay->sites.moment_epoch || !existed)
        return;
    int64_t gap = (int64_t)(more->then_gap_bytes + s->gap_bytes);
    int64_t unsampled = (int64_t)(more->then_unsampled_bytes + s->unsampled_bytes);
    more->then_gap_bytes = gap > 0 ? (uint64_t)gap : 0;
    more->then_unsampled_bytes = unsampled > 0 ? (uint64_t)unsampled : 0;
}

/* What a site ever allocated: new mappings, and what comes into one that is there (a reservation's
 * pages). The second half of a piece that is cut, and one that moves, are nothing new. */
static void add_total(const struct change *c, const struct range *before, const struct range *after)
{
    struct share old = share_of(before), new = share_of(after);
    if (!after || !c->replay->inside)
        return;
    if (!before && after->tag == c->tag)
        site_add_total(&c->replay->sites, (uint32_t)after->tag, new.bytes, new.count);
    else if (before && before->tag == after->tag && new.bytes > old.bytes)
        site_add_total(&c->replay->sites, (uint32_t)after->tag, new.bytes - old.bytes, 0);
}

static void on_change(void *context, const struct range *before, const struct range *after)
{
    const struct change *c = context;
    struct share old = share_of(before), new = share_of(after), none = {0};
    add_total(c, before, after);
    if (before && after && before->tag == after->tag) {
        struct share change = difference(&new, &old);
        if (corrects_past(c, before, after)) {
            correct(c, after->tag, &change);
            return;
        }
        add_to_process(c, &change);
        add_to_site(c, (uint32_t)after->tag, &change);
        return;
    }
    old = difference(&none, &old);
    add_to_process(c, &old);
    if (before)
        add_to_site(c, (uint32_t)before->tag, &old);
    add_to_process(c, &new);
    if (after)
        add_to_site(c, (uint32_t)after->tag, &new);
}

/* The tag of a new mapping; 0 is returned through *ok = false when out of memory. */
static uint64_t new_tag(struct replay *r, unsigned allocator, uint32_t stack, bool counted,
                        bool *ok)
{
    uint32_t site = counted ? sites_find(&r->sites, r->thread, allocator, stack) : 0;
    *ok = !counted || (site && !sites_make_more(&r->sites, site));
    return (uint64_t)++r->map_serial << 32 | site;
}

static bool possible(struct replay *r, uint64_t address, uint64_t length)
{
    if (address <= SIZE_LIMIT_BYTES && length <= SIZE_LIMIT_BYTES - address)
        return true;
    r->totals.impossible++;
    return false;
}

static int apply_map(struct replay *r, const struct record *record, struct change *c)
{
    uint8_t kind = record->map.kind, allocator = record->map.allocator;
    bool counted = kind <= MAP_KIND_NORESERVE || kind == MAP_KIND_BRK, ok;
    if (!possible(r, record->map.address, record->map.length) || kind >= MAP_KIND_COUNT)
        return 0;
    uint64_t tag = new_tag(r, allocator % ALLOCATOR_LIMIT, record->map.stack, counted, &ok);
    c->tag = tag;
    if (!ok)
        return -ERR_NOMEM;
    if (kind == MAP_KIND_ANONYMOUS || kind == MAP_KIND_BRK) {
        r->totals.allocators[allocator % ALLOCATOR_LIMIT].count++;
        r->totals.allocators[allocator % ALLOCATOR_LIMIT].bytes += record->map.length;
    }
    return ranges_map(&c->process->ranges, record->map.address, record->map.length, kind, tag,
                      on_change, c);
}

static int apply_remap(struct replay *r, const struct record *record, struct change *c)
{
    bool ok;
    if (!possible(r, record->remap.old_address, record->remap.old_length) ||
        !possible(r, record->remap.new_address, record->remap.new_length))
        return 0;
    uint64_t tag = new_tag(r, ALLOCATOR_MREMAP, record->remap.stack, true, &ok);
    c->tag = tag;
    if (!ok)
        return -ERR_NOMEM;
    return ranges_remap(&c->process->ranges, record->remap.old_address, record->remap.old_length,
                        record->remap.new_address, record->remap.new_length, tag,
                        record->remap.flags & 1, on_change, c);
}

/* Of a piece that counts by its length the largest sample is kept; of a reservation the latest. */
static int apply_sample(struct replay *r, const struct record *record)
{
    struct process *p = model_process_at(&r->model, record->resident_range.process);
    if (!p || !p->active)
        return 0;
    uint64_t address = record->resident_range.address,
             bytes = record->resident_range.resident_bytes;
    const struct range *piece = ranges_find(&p->ranges, address);
    if (!piece)
        return 0;
    bool by_length = piece->kind == MAP_KIND_ANONYMOUS || piece->kind == MAP_KIND_BRK;
    if (by_length && piece->resident_bytes != RANGE_UNSAMPLED && bytes <= piece->resident_bytes)
        return 0;
    struct change c = {r, p, true, 0};
    process_settle(p);
    return ranges_resident(&p->ranges, address, record->resident_range.length,
                           bytes < piece->length ? bytes : piece->length, on_change, &c);
}

int mappings_apply(struct replay *r, const struct record *record)
{
    struct process *p = r->thread->process;
    struct change c = {r, p, false, 0};
    if (replay_settle(r))
        return 0;
    if (record->type == RECORD_RESIDENT_RANGE)
        return apply_sample(r, record);
    if (!p->active)
        return 0;
    process_settle(p);
    switch (record->type) {
    case RECORD_MAP: return apply_map(r, record, &c);
    case RECORD_UNMAP:
        return ranges_unmap(&p->ranges, record->unmap.address, record->unmap.length, on_change, &c);
    case RECORD_REMAP: return apply_remap(r, record, &c);
    case RECORD_PROTECT:
        return ranges_protect(&p->ranges, record->protect.address, record->protect.length,
                              record->protect.writable, on_change, &c);
    case RECORD_DISCARD:
        return ranges_discard(&p->ranges, record->discard.address, record->discard.length,
                              on_change, &c);
    default: return 0;
    }
}
