/* How much of a big block was ever touched: RESIDENT_BLOCK samples of blocks of 1 MiB and more.
 * Why samples work backwards: a block that is mapped at the peak may be sampled only after it. What
 * of it was ever touched while it lived is the largest sample of its life; so a sample also
 * corrects the kept values if the block existed at the moment. Invariants: a sampled block's gap is
 * its size minus its largest sample; an unsampled one has none and is listed as unsampled. Not
 * here: mappings (mappings.h). Not thread-safe. */
#ifndef REPLAY_RESIDENCY_H
#define REPLAY_RESIDENCY_H

#include "replay/replay.h"

#define BIG_BLOCK_BYTES (1u << 20)

/* A big block was born (its sums are counted by the caller) or taken back by UNFREE (known: what
 * residency_remove gave, else NULL). Blocks coded by address are never sampled. Returns 0 or
 * -ERR_NOMEM. */
int residency_add(struct replay *r, const struct slot *slot, const struct block *known);
/* It is gone, before its site forgets it: what was known of it, for an UNFREE. */
struct block residency_remove(struct replay *r, const struct slot *slot);
/* A sample of the block with this index; ignored where it is not live or not big. */
void residency_sample(struct replay *r, uint64_t index, uint64_t resident_bytes);

#endif
