/* The loop over usual words (blocks.h). Everything that it changes is in locals until it ends. */
#include "recorder/collector/blocks.h"

#include "format/encode_run.h"

#define INLINE static inline __attribute__((always_inline))

/* The words of one ring, in the order in which they are read. */
struct words {
    const uint64_t *at; /* the ring's */
    uint64_t tail, end; /* in bytes */
};

INLINE uint64_t word(const struct words *w, uint64_t tail)
{
    return __atomic_load_n(&w->at[(tail >> 3) & (RING_WORDS - 1)], __ATOMIC_RELAXED);
}

/* One ALLOC. Returns false when it isn't usual. */
INLINE bool usual_alloc(const struct recorded *p, const struct encoder *e, struct encoder_run *run,
                        const struct words *w, uint64_t first)
{
    if (w->tail + 16 > w->end)
        return false;
    uint64_t second = word(w, w->tail + 8), address = first & RING_LOW_MASK;
    uint32_t size = (uint32_t)second, node = (uint32_t)(second >> 32);
    unsigned allocator = (unsigned)(first >> 48) & 0xFF;
    struct address_leaf *leaf = addresses_leaf(&p->addresses, address);
    if (!leaf || size >= BIG_BLOCK_BYTES || allocator >= ALLOCATOR_COUNT)
        return false;
    uint32_t stack = node < p->node_count ? p->nodes[node].stack : 0;
    uint32_t *entry = addresses_entry(leaf, address);
    uint64_t index = run->next_alloc;
    if ((!stack && node) || *entry || index >= ADDRESS_INDEX_LIMIT - 1 ||
        !encoder_run_alloc(e, run, allocator, stack, size))
        return false;
    *entry = (uint32_t)(index + 1);
    leaf->live++;
    return true;
}

/* One FREE. *value receives what stood there. Returns false when it isn't usual. */
INLINE bool usual_free(const struct recorded *p, struct encoder_run *run, uint64_t address,
                       uint32_t *value)
{
    struct address_leaf *leaf = addresses_leaf(&p->addresses, address);
    if (!leaf)
        return false;
    uint32_t *entry = addresses_entry(leaf, address), found = *entry;
    if (!found || found & ADDRESS_FLAG || leaf->live == 1 || !encoder_run_free(run, found - 1))
        return false;
    *entry = 0;
    leaf->live--;
    *value = found;
    return true;
}

uint64_t blocks_run(struct transcoder *tc, struct stream *s, uint64_t end)
{
    const struct recorded *p = s->process;
    struct encoder *e = tc->output->encoder;
    struct encoder_run run = encoder_run_begin(e);
    struct words w = {.at = s->ring->words, .tail = s->tail, .end = end};
    const uint8_t *before = run.ops;
    uint64_t freed_address = s->freed_address;
    uint32_t freed_value = s->freed_value;
    while (w.tail < w.end) {
        uint64_t first = word(&w, w.tail);
        if (first >> 56 == RING_ALLOC) {
            if (!usual_alloc(p, e, &run, &w, first))
                break;
            w.tail += 16;
        } else if (first >> 56 == RING_FREE) {
            if (!usual_free(p, &run, first & RING_LOW_MASK, &freed_value))
                break;
            freed_address = first & RING_LOW_MASK;
            w.tail += 8;
        } else {
            break;
        }
    }
    encoder_run_end(e, &run);
    s->tail = w.tail;
    s->freed_address = freed_address;
    s->freed_value = freed_value;
    return (uint64_t)(run.ops - before);
}
