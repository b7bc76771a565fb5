/* Samples of big blocks: see residency.h. In the table, size_bytes is the largest sample and serial
 * the birth. */
#include "replay/residency.h"

#define UNSAMPLED UINT64_MAX

static uint64_t gap(uint64_t size_bytes, uint64_t sample_bytes)
{
    return sample_bytes < size_bytes ? size_bytes - sample_bytes : 0;
}

static void count(struct replay *r, uint32_t site, uint64_t gap_bytes, uint64_t unsampled_bytes)
{
    struct site_more *more = &r->sites.mores[site];
    site_more_touch(&r->sites, more);
    more->live_gap_bytes += gap_bytes;
    more->live_unsampled_bytes += unsampled_bytes;
}

int residency_add(struct replay *r, const struct live_block *block, bool by_address,
                  const struct live_block *known)
{
    uint64_t size = block->size_bytes;
    struct live_block entry = {block->key, UNSAMPLED, r->serial, block->site, 0};
    if (known && known->site)
        entry = *known;
    bool sampled = entry.size_bytes != UNSAMPLED;
    count(r, block->site, sampled ? gap(size, entry.size_bytes) : 0, sampled ? 0 : size);
    return by_address ? 0 : live_insert(&r->big, &entry);
}

struct live_block residency_remove(struct replay *r, const struct live_block *block,
                                   bool by_address)
{
    struct live_block *entry = by_address ? 0 : live_find(&r->big, block->key, 0);
    struct live_block known = entry ? *entry : (struct live_block){0};
    bool sampled = entry && entry->size_bytes != UNSAMPLED;
    uint64_t size = block->size_bytes;
    count(r, block->site, sampled ? 0 - gap(size, entry->size_bytes) : 0, sampled ? 0 : 0 - size);
    if (entry)
        live_remove(&r->big, entry);
    return known;
}

/* Corrects a site's values now, and those at the moment if the block existed then. */
static void correct(struct replay *r, uint32_t site, bool existed, uint64_t gap_change,
                    uint64_t unsampled_change)
{
    struct site_more *more = &r->sites.mores[site];
    more->live_gap_bytes += gap_change;
    more->live_unsampled_bytes += unsampled_change;
    if (more->epoch != r->sites.epoch || !existed)
        return;
    more->then_gap_bytes += gap_change;
    more->then_unsampled_bytes += unsampled_change;
}

void residency_sample(struct replay *r, uint64_t index, uint64_t resident_bytes)
{
    struct live_block *entry = live_find(&r->big, index, 0);
    const struct live_block *block = live_find(&r->blocks, index, 0);
    if (!entry || !block || r->sites.items[entry->site].ended)
        return;
    bool first = entry->size_bytes == UNSAMPLED;
    if (!first && resident_bytes <= entry->size_bytes)
        return;
    uint64_t size = block->size_bytes, before = first ? 0 : gap(size, entry->size_bytes);
    entry->size_bytes = resident_bytes;
    correct(r, entry->site, entry->serial <= r->moment.serial, gap(size, resident_bytes) - before,
            first ? 0 - size : 0);
}
