/* Packed leaves (packed_leaf.h). Room is made in steps, so that some more values can come without
 * everything being packed anew. */
#include "recorder/collector/packed_leaf.h"

#include <stdlib.h>
#include <string.h>

#define STEP_BYTES   64u
#define MALLOC_BYTES 16u /* what it takes for itself */

/* The values of a leaf in order. */
struct gathered {
    uint64_t bits[PACKED_LEAF_WORDS];
    uint16_t before[PACKED_LEAF_WORDS];
    uint32_t values[PACKED_LEAF_PLACES];
    unsigned count;
};

static void gather(struct gathered *g, const uint32_t *places)
{
    g->count = 0;
    for (unsigned word = 0; word < PACKED_LEAF_WORDS; word++) {
        uint64_t bits = 0;
        g->before[word] = (uint16_t)g->count;
        for (unsigned place = 0; place < 64; place++) {
            uint32_t value = places[word * 64 + place];
            if (!value)
                continue;
            bits |= UINT64_C(1) << place;
            g->values[g->count++] = value;
        }
        g->bits[word] = bits;
    }
}

/* What is subtracted from values, so that they fit into 16 bits and none is 0. Returns false when
 * they don't. */
static bool find_base(const struct gathered *g, uint32_t *base)
{
    uint32_t least = UINT32_MAX, most = 0;
    for (unsigned i = 0; i < g->count; i++) {
        least = g->values[i] < least ? g->values[i] : least;
        most = g->values[i] > most ? g->values[i] : most;
    }
    *base = least - 1;
    return most - *base <= UINT16_MAX;
}

static uint32_t value_at(const struct packed_leaf *leaf, unsigned i)
{
    return leaf->values[i] ? leaf->base + leaf->values[i] : 0;
}

size_t packed_leaf_bytes(const struct packed_leaf *leaf)
{
    return sizeof *leaf + leaf->room * sizeof leaf->values[0] + MALLOC_BYTES;
}

struct packed_leaf *packed_leaf_new(const uint32_t *places)
{
    struct gathered g;
    uint32_t base;
    gather(&g, places);
    if (!find_base(&g, &base))
        return NULL;
    size_t bytes = sizeof(struct packed_leaf) + g.count * sizeof(uint16_t);
    bytes = (bytes + STEP_BYTES - 1) / STEP_BYTES * STEP_BYTES;
    struct packed_leaf *leaf = malloc(bytes);
    if (!leaf)
        return NULL;
    memcpy(leaf->bits, g.bits, sizeof g.bits);
    memcpy(leaf->before, g.before, sizeof g.before);
    leaf->base = base;
    leaf->uses = 0;
    leaf->window = 0;
    leaf->live = leaf->count = (uint16_t)g.count;
    leaf->room = (uint16_t)((bytes - sizeof *leaf) / sizeof(uint16_t));
    for (unsigned i = 0; i < g.count; i++)
        leaf->values[i] = (uint16_t)(g.values[i] - base);
    return leaf;
}

void packed_leaf_spread(const struct packed_leaf *leaf, uint32_t *places)
{
    unsigned i = 0;
    for (unsigned word = 0; word < PACKED_LEAF_WORDS; word++)
        for (uint64_t bits = leaf->bits[word]; bits; bits &= bits - 1)
            places[word * 64 + (unsigned)__builtin_ctzll(bits)] = value_at(leaf, i++);
}

/* Where a place's value stands, or would. */
static unsigned rank(const struct packed_leaf *leaf, unsigned place)
{
    return leaf->before[place / 64] + bits_below(leaf->bits, place);
}

uint32_t packed_leaf_value(const struct packed_leaf *leaf, unsigned place)
{
    return bits_has(leaf->bits, place) ? value_at(leaf, rank(leaf, place)) : 0;
}

/* Makes a gap for a place that has none. Returns false when there is no room. */
static bool open_gap(struct packed_leaf *leaf, unsigned place)
{
    if (leaf->count == leaf->room)
        return false;
    unsigned at = rank(leaf, place);
    uint16_t *values = leaf->values + at;
    memmove(values + 1, values, (leaf->count - at) * sizeof *values);
    *values = 0;
    bits_add(leaf->bits, place);
    for (unsigned word = place / 64 + 1; word < PACKED_LEAF_WORDS; word++)
        leaf->before[word]++;
    leaf->count++;
    return true;
}

bool packed_leaf_set(struct packed_leaf *leaf, unsigned place, uint32_t value)
{
    bool fits = !value || value - leaf->base - 1 < UINT16_MAX;
    if (!fits || (!bits_has(leaf->bits, place) && value && !open_gap(leaf, place)))
        return false;
    if (!bits_has(leaf->bits, place))
        return true;
    uint16_t *at = &leaf->values[rank(leaf, place)];
    leaf->live = (uint16_t)(leaf->live + (value != 0) - (*at != 0));
    *at = (uint16_t)(value ? value - leaf->base : 0);
    return true;
}
