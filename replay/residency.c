/* Samples of big blocks: see residency.h. In the table, size_bytes is the largest sample and serial
 * the birth. */
#include "replay/residency.h"

#define UNSAMPLED BLOCK_VALUE_MAX

static uint64_t gap(uint64_t size_bytes, uint64_t sample_bytes)
{
    return sample_bytes < size_bytes ? size_bytes - sample_bytes : 0;
}

static void count(struct replay *r, uint32_t site, uint64_t gap_bytes, uint64_t unsampled_bytes)
{
    struct site_more *more = sites_more(&r->sites, site);
    site_more_touch(&r->sites, more);
    more->live_gap_bytes += gap_bytes;
    more->live_unsampled_bytes += unsampled_bytes;
    history_gap_now(r, site, gap_bytes, unsampled_bytes);
}

int residency_add(struct replay *r, const struct slot *slot, const struct block *known)
{
    uint64_t size = slot->block.size_bytes;
    struct block entry = {UNSAMPLED, r->serial, slot->block.site};
    if (known && known->site)
        entry = *known;
    bool sampled = entry.size_bytes != UNSAMPLED;
    if (sites_make_more(&r->sites, slot->block.site))
        return -ERR_NOMEM;
    count(r, slot->block.site, sampled ? gap(size, entry.size_bytes) : 0, sampled ? 0 : size);
    return slot->owner ? 0 : blockmap_insert(&r->big, slot->key, 0, &entry);
}

struct block residency_remove(struct replay *r, const struct slot *slot)
{
    struct block *entry = slot->owner ? 0 : blockmap_find(&r->big, slot->key, 0);
    struct block known = entry ? *entry : (struct block){0};
    bool sampled = entry && entry->size_bytes != UNSAMPLED;
    uint64_t size = slot->block.size_bytes;
    count(r, slot->block.site, sampled ? 0 - gap(size, known.size_bytes) : 0,
          sampled ? 0 : 0 - size);
    if (entry)
        blockmap_remove(&r->big, entry);
    return known;
}

/* Corrects a site's values now, and those at the moment if the block existed then. */
static void correct(struct replay *r, uint32_t site, uint64_t born, uint64_t gap_change,
                    uint64_t unsampled_change)
{
    bool existed = born <= r->moment.serial;
    struct site_more *more = sites_more(&r->sites, site);
    more->live_gap_bytes += gap_change;
    more->live_unsampled_bytes += unsampled_change;
    history_gap_since(r, site, born, gap_change, unsampled_change);
    if (more->epoch < r->sites.moment_epoch || !existed)
        return;
    more->then_gap_bytes += gap_change;
    more->then_unsampled_bytes += unsampled_change;
}

void residency_sample(struct replay *r, uint64_t index, uint64_t resident_bytes)
{
    struct block *entry = blockmap_find(&r->big, index, 0);
    const struct block *block = live_find(&r->blocks, index, 0);
    if (!entry || !block || r->sites.items[entry->site].ended)
        return;
    bool first = entry->size_bytes == UNSAMPLED;
    if (resident_bytes > SIZE_LIMIT_BYTES)
        resident_bytes = SIZE_LIMIT_BYTES;
    if (!first && resident_bytes <= entry->size_bytes)
        return;
    uint64_t size = block->size_bytes, before = first ? 0 : gap(size, entry->size_bytes);
    entry->size_bytes = resident_bytes;
    correct(r, entry->site, entry->serial, gap(size, resident_bytes) - before,
            first ? 0 - size : 0);
}
