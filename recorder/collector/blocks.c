/* The loop over usual words (blocks.h). What it changes is in locals until it ends; what could go
 * wrong at every event (a full block, the ring's end, indices running out) is asked once, before.
 */
#include "recorder/collector/blocks.h"

#include "format/encode_run.h"

#define INLINE static inline __attribute__((always_inline))

/* What stands above an address: an ALLOC's kind and allocator, a FREE's kind. */
enum { ALLOC_TOP = RING_ALLOC << 8 };

_Static_assert(BIG_BLOCK_BYTES <= UINT32_MAX, "the size of a usual block has 32 bits");
_Static_assert((uint32_t)ALLOCATOR_COUNT <= ALLOCATOR_LIMIT, "an op has room for each allocator");

INLINE uint64_t word(const uint64_t *at) { return __atomic_load_n(at, __ATOMIC_RELAXED); }

/* One ALLOC, whose first word is ALLOC_TOP + allocator above the address. Returns false when it
 * isn't usual. */
INLINE bool usual_alloc(const struct recorded *p, const struct encoder *e, struct encoder_run *run,
                        unsigned allocator, uint64_t address, uint64_t second)
{
    uint32_t size = (uint32_t)second, node = (uint32_t)(second >> 32), stack = 0;
    struct address_leaf *leaf = addresses_leaf(&p->addresses, address);
    if (!leaf || size >= BIG_BLOCK_BYTES || allocator >= ALLOCATOR_COUNT)
        return false;
    uint32_t *entry = addresses_entry(leaf, address), value = (uint32_t)run->next_alloc + 1;
    if (*entry || (node && !(stack = nodes_stack(&p->nodes, node))) ||
        !encoder_run_alloc(e, run, allocator, stack, size))
        return false;
    *entry = value;
    address_leaf_filled(leaf);
    return true;
}

/* One FREE. Returns false when it isn't usual. */
INLINE bool usual_free(struct stream *s, struct encoder_run *run, uint64_t address)
{
    struct address_leaf *leaf = addresses_leaf(&s->process->addresses, address);
    if (!leaf)
        return false;
    uint32_t *entry = addresses_entry(leaf, address), value = *entry;
    if (!value || value & ADDRESS_FLAG || address_leaf_live(leaf) == 1 ||
        !encoder_run_free(run, value - 1))
        return false;
    *entry = 0;
    address_leaf_emptied(leaf);
    s->freed_address = address;
    s->freed_value = value;
    return true;
}

/* Words from the one being handled to the one whose place in the map is fetched, and the size from
 * which on a map is worth it: about what a core's own cache holds. */
enum { AHEAD = 12, CACHED_BYTES = 1 << 19 };

/* Fetches what a word ahead will need; a word that is no event's first, or not written yet, does no
 * harm. */
INLINE void fetch(const struct recorded *p, uint64_t ahead)
{
    unsigned kind = (unsigned)(ahead >> 56);
    if (kind != RING_ALLOC && kind != RING_FREE)
        return;
    struct address_leaf *leaf = addresses_leaf(&p->addresses, ahead & RING_LOW_MASK);
    if (leaf)
        __builtin_prefetch(addresses_entry(leaf, ahead), 1);
}

/* How many words can be read in a row: to the end given, to the ring's, and no more than the open
 * block takes ops and the map indices. */
static uint64_t words_in_a_row(struct encoder *e, const struct stream *s, uint64_t end)
{
    uint64_t count = (end - s->tail) / 8;
    uint64_t to_edge = RING_WORDS - ((s->tail >> 3) & (RING_WORDS - 1));
    uint64_t room = encoder_run_room(e), next = encoder_next_alloc(e);
    if (next + room >= ADDRESS_INDEX_LIMIT - 1)
        return 0;
    if (count > to_edge)
        count = to_edge;
    return count < room ? count : room;
}

/* The loop. Returns the word before which it stopped; the last one is left alone, so that each has
 * one behind it. */
INLINE const uint64_t *run_words(struct stream *s, const struct encoder *e, struct encoder_run *run,
                                 const uint64_t *at, const uint64_t *last, bool fetching)
{
    const struct recorded *p = s->process;
    while (at + 1 < last) {
        uint64_t first = word(at), address = first & RING_LOW_MASK;
        if (fetching && at + AHEAD < last)
            fetch(p, word(at + AHEAD));
        if (first >> 56 == RING_FREE) {
            if (!usual_free(s, run, address))
                break;
            at++;
        } else {
            unsigned allocator = (unsigned)(first >> 48) - ALLOC_TOP;
            if (!usual_alloc(p, e, run, allocator, address, word(at + 1)))
                break;
            at += 2;
        }
    }
    return at;
}

uint64_t blocks_run(struct transcoder *tc, struct stream *s, uint64_t end)
{
    struct encoder *e = tc->output->encoder;
    struct encoder_run run = encoder_run_begin(e);
    const uint64_t *start = &s->ring->words[(s->tail >> 3) & (RING_WORDS - 1)], *at;
    const uint64_t *last = start + words_in_a_row(e, s, end);
    const uint8_t *before = run.ops;
    if (s->process->addresses.pool->used_bytes > CACHED_BYTES)
        at = run_words(s, e, &run, start, last, true);
    else
        at = run_words(s, e, &run, start, last, false);
    uint64_t events = (uint64_t)(run.ops - before);
    encoder_run_end(e, &run);
    s->tail += (uint64_t)(at - start) * 8;
    return events;
}
