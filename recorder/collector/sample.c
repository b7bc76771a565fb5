/* Sampling from /proc (sample.h): statm for RSS, residency.h for pages.
 * Why from a cursor: a heap larger than one tick's budget is still seen whole, in more ticks. */
#define _GNU_SOURCE
#include "recorder/collector/sample.h"
#include "recorder/collector/proc.h"
#include "recorder/collector/residency.h"
#include "recorder/failpoint.h"

#include <stdio.h>
#include <unistd.h>

#define PAGE_BYTES     4096u
#define RSS_STEP_BYTES (UINT64_C(64) << 10)

static uint64_t read_rss(uint32_t pid)
{
    char text[128];
    size_t length = FAILPOINT(statm_read, proc_read(pid, "statm", text, sizeof text - 1), 0);
    unsigned long size, resident;
    text[length] = 0;
    return sscanf(text, "%lu %lu", &size, &resident) == 2
               ? (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE)
               : 0;
}

static void sample_rss(struct processes *all, struct recorded *p)
{
    uint64_t now = all->output->now_ns, rss = read_rss(p->pid);
    uint64_t moved = rss > p->rss_bytes ? rss - p->rss_bytes : p->rss_bytes - rss;
    if (!rss || (moved < RSS_STEP_BYTES && (now - p->rss_told_ns < SAMPLE_ROUND_NS * 10 || !moved)))
        return;
    struct record record = {.type = RECORD_RSS, .rss = {p->id, rss}};
    p->rss_bytes = rss;
    p->rss_told_ns = now;
    output_record(all->output, &record, NULL);
}

static _Atomic uint32_t *heartbeat(const struct processes *all)
{
    return &all->shared->control->header.heartbeat;
}

static void sample_block(struct processes *all, struct recorded *p, struct bigblock *block,
                         uint64_t *budget)
{
    uint64_t resident, pages = block->size_bytes / PAGE_BYTES + 1;
    *budget -= pages < *budget ? pages : *budget;
    if (!residency_of(p->pagemap, heartbeat(all), block->address, block->size_bytes, &resident) ||
        (block->sampled && resident == block->resident_bytes))
        return;
    block->sampled = true;
    block->resident_bytes = resident;
    struct record record = {.type = RECORD_RESIDENT_BLOCK,
                            .resident_block = {block->index, resident}};
    output_record(all->output, &record, NULL);
}

static bool is_sampled(const struct range *piece)
{
    return piece && (piece->kind == MAP_KIND_RESERVED || piece->kind == MAP_KIND_NORESERVE ||
                     piece->kind == MAP_KIND_ARENA ||
                     (piece->kind == MAP_KIND_ANONYMOUS && piece->length >= BIG_BLOCK_BYTES));
}

static void sample_range(struct processes *all, struct recorded *p, const struct range *found,
                         uint64_t *budget)
{
    struct range piece = *found;
    uint64_t resident, pages = piece.length / PAGE_BYTES;
    *budget -= pages < *budget ? pages : *budget;
    if (!residency_of(p->pagemap, heartbeat(all), piece.address, piece.length, &resident) ||
        resident == piece.resident_bytes)
        return;
    ranges_resident(&p->ranges, piece.address, piece.length, resident, NULL, NULL);
    struct record record = {.type = RECORD_RESIDENT_RANGE,
                            .resident_range = {p->id, piece.address, piece.length, resident}};
    output_record(all->output, &record, NULL);
}

/* What was never sampled, as far as the budget goes: a short life must not pass unseen. */
static void sample_fresh(struct processes *all, struct recorded *p, uint64_t *budget)
{
    for (size_t i = 0; i < p->big.capacity && *budget; i++)
        if (p->big.places[i].address && !p->big.places[i].sampled)
            sample_block(all, p, &p->big.places[i], budget);
    for (size_t i = 0; i < ranges_places(&p->ranges) && *budget; i++) {
        const struct range *piece = ranges_at(&p->ranges, i);
        if (is_sampled(piece) && piece->resident_bytes == RANGE_UNSAMPLED)
            sample_range(all, p, piece, budget);
    }
}

/* Everything in turn, from where the last tick's budget ended. A round that is through ends the
 * turn. */
static void sample_round(struct processes *all, struct recorded *p, uint64_t *budget)
{
    size_t blocks = p->big.capacity, total = blocks + ranges_places(&p->ranges);
    for (; p->sample_at < total && *budget; p->sample_at++) {
        const struct range *piece =
            p->sample_at < blocks ? NULL : ranges_at(&p->ranges, p->sample_at - blocks);
        if (is_sampled(piece))
            sample_range(all, p, piece, budget);
        else if (p->sample_at < blocks && p->big.places[p->sample_at].address)
            sample_block(all, p, &p->big.places[p->sample_at], budget);
    }
    if (p->sample_at < total)
        return;
    p->sample_at = 0;
    p->sampled_ns = all->output->now_ns;
}

void sample_tick(struct processes *all)
{
    uint64_t budget = SAMPLE_PAGES;
    for (struct recorded *p = all->first; p; p = p->next) {
        if (p->dying)
            continue;
        sample_rss(all, p);
        if (p->pagemap < 0)
            continue;
        sample_fresh(all, p, &budget);
        if (all->output->now_ns - p->sampled_ns >= SAMPLE_ROUND_NS)
            sample_round(all, p, &budget);
    }
}
