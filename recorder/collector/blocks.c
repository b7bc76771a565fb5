/* The loop over usual words (blocks.h). What it changes is in locals until it ends; what could go
 * wrong at every event (a full block, the ring's end, indices running out) is asked once, before.
 * What a program does again (the leaf of an address, the stack that follows a stack) is found by
 * what was found last time, some 40 instructions an event; what is new goes a longer way, in
 * functions of its own, so that it takes no registers from the loop. */
#include "recorder/collector/blocks.h"

#include "format/encode_run.h"

#define INLINE   static inline __attribute__((always_inline))
#define NOINLINE static __attribute__((noinline))

/* What stands above an address: an ALLOC's kind and allocator, a FREE's kind. */
enum { ALLOC_TOP = RING_ALLOC << 8 };

_Static_assert(BIG_BLOCK_BYTES <= UINT32_MAX, "the size of a usual block has 32 bits");
_Static_assert((uint32_t)ALLOCATOR_COUNT <= ALLOCATOR_LIMIT, "an op has room for each allocator");

/* What the loop works with. */
struct usual {
    struct recorded *process;
    const struct encoder *encoder;
    struct encoder_run run;
    struct known_node *known;
    const uint64_t *freed; /* the last FREE; NULL: none */
    uint32_t far;          /* leaves that were not among the recent ones */
};

INLINE uint64_t word(const uint64_t *at) { return __atomic_load_n(at, __ATOMIC_RELAXED); }

NOINLINE struct address_leaf *far_leaf(struct addresses *map, uint64_t address)
{
    struct address_leaf *leaf = addresses_leaf(map, address);
    if (leaf)
        addresses_remember(map, leaf);
    return leaf;
}

INLINE struct address_leaf *find_leaf(struct usual *u, uint64_t address)
{
    struct addresses *map = &u->process->addresses;
    struct address_leaf *leaf = addresses_recent(map, addresses_place(address));
    if (__builtin_expect(leaf != NULL, 1))
        return leaf;
    u->far++;
    return far_leaf(map, address);
}

/* The slot of the stack that a node stands for, noted at `place` from here on; PREDICTOR_UNKNOWN
 * where it has none yet. Why the expected one is tried first: of many stacks each is far, but what
 * follows one may well be known, and costs no look into the table. */
NOINLINE uint32_t far_slot(const struct recorded *p, const struct encoder *e, uint32_t node,
                           uint32_t expected, struct known_node *place)
{
    uint32_t stack = 0, slot = expected;
    if (node && !(stack = recorded_known_stack(p, node)))
        return PREDICTOR_UNKNOWN;
    if (e->predictor.slots[expected].stack != stack)
        slot = encoder_run_slot(e, stack);
    if (slot != PREDICTOR_UNKNOWN)
        *place = (struct known_node){node, slot};
    return slot;
}

INLINE bool find_slot(const struct usual *u, uint32_t node, uint32_t *slot)
{
    struct known_node *place = &u->known[node % KNOWN_NODES];
    *slot = place->slot;
    if (__builtin_expect(place->node == node, 1))
        return true;
    *slot = far_slot(u->process, u->encoder, node, u->run.last->next, place);
    return *slot != PREDICTOR_UNKNOWN;
}

/* One ALLOC, whose first word is ALLOC_TOP + allocator above the address. Returns false when it
 * isn't usual. */
INLINE bool usual_alloc(struct usual *u, unsigned allocator, uint64_t address, uint64_t second)
{
    uint32_t size = (uint32_t)second, value = (uint32_t)u->run.next_alloc + 1, slot;
    if (allocator >= ALLOCATOR_COUNT || size >= BIG_BLOCK_BYTES)
        return false;
    struct address_leaf *leaf = find_leaf(u, address);
    if (!leaf)
        return false;
    uint32_t *entry = addresses_entry(leaf, address);
    if (*entry || !find_slot(u, (uint32_t)(second >> 32), &slot))
        return false;
    encoder_run_alloc(&u->run, allocator, slot, size);
    *entry = value;
    address_leaf_filled(leaf);
    return true;
}

/* One FREE. Returns false when it isn't usual. */
INLINE bool usual_free(struct usual *u, uint64_t address)
{
    struct address_leaf *leaf = find_leaf(u, address);
    if (!leaf)
        return false;
    uint32_t *entry = addresses_entry(leaf, address), value = *entry;
    if (!value || value & ADDRESS_FLAG || address_leaf_live(leaf) == 1 ||
        !encoder_run_free(&u->run, value - 1))
        return false;
    *entry = 0;
    address_leaf_emptied(leaf);
    return true;
}

/* Words from the one being handled to the one whose place in the map is fetched. */
enum { AHEAD = 12 };

/* Of so many events or more, one in SCATTER_SHARE is of a leaf that isn't among the recent ones: it
 * is worth it to fetch in the next run. */
enum { SCATTER_EVENTS = 64, SCATTER_SHARE = 8 };

/* Fetches what a word ahead will need; a word that is no event's first, or not written yet, does no
 * harm. */
INLINE void fetch(const struct recorded *p, uint64_t ahead)
{
    unsigned kind = (unsigned)(ahead >> 56);
    if (kind != RING_ALLOC && kind != RING_FREE)
        return;
    struct address_leaf *leaf = addresses_leaf(&p->addresses, ahead & RING_LOW_MASK);
    if (!leaf)
        return;
    __builtin_prefetch(addresses_entry(leaf, ahead), 1);
    __builtin_prefetch(&leaf->uses, 1);
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
INLINE const uint64_t *run_words(struct usual *result, const uint64_t *at, const uint64_t *last,
                                 bool fetching)
{
    struct usual u = *result;
    while (at + 1 < last) {
        uint64_t first = word(at), address = first & RING_LOW_MASK;
        if (fetching && at + AHEAD < last)
            fetch(u.process, word(at + AHEAD));
        if (first >> 56 == RING_FREE) {
            if (!usual_free(&u, address))
                break;
            u.freed = at++;
        } else {
            unsigned allocator = (unsigned)(first >> 48) - ALLOC_TOP;
            if (!usual_alloc(&u, allocator, address, word(at + 1)))
                break;
            at += 2;
        }
    }
    *result = u;
    return at;
}

/* Makes known.by_node that of the open block and of this process. */
static void check_known(struct known_nodes *known, const struct encoder *e,
                        const struct recorded *p)
{
    if (known->valid && known->sequence == e->open.sequence && known->process == p->serial)
        return;
    for (unsigned i = 0; i < KNOWN_NODES; i++)
        known->by_node[i] = (struct known_node){.node = NODES_LIMIT};
    known->valid = true;
    known->sequence = e->open.sequence;
    known->process = p->serial;
}

/* What a failed realloc would take back. */
static void note_freed(struct stream *s, const struct usual *u)
{
    if (!u->freed)
        return;
    s->freed_address = word(u->freed) & RING_LOW_MASK;
    s->freed_value = (uint32_t)u->run.last_freed + 1;
}

uint64_t blocks_run(struct transcoder *tc, struct stream *s, uint64_t end)
{
    struct encoder *e = tc->output->encoder;
    check_known(&tc->known, e, s->process);
    struct usual u = {.process = s->process,
                      .encoder = e,
                      .run = encoder_run_begin(e),
                      .known = tc->known.by_node};
    const uint64_t *start = &s->ring->words[(s->tail >> 3) & (RING_WORDS - 1)], *at;
    const uint64_t *last = start + words_in_a_row(e, s, end);
    const uint8_t *before = u.run.ops;
    at = tc->scattered ? run_words(&u, start, last, true) : run_words(&u, start, last, false);
    uint64_t events = (uint64_t)(u.run.ops - before);
    encoder_run_end(e, &u.run);
    if (events >= SCATTER_EVENTS)
        tc->scattered = u.far > events / SCATTER_SHARE;
    note_freed(s, &u);
    s->tail += (uint64_t)(at - start) * 8;
    return events;
}
