/* From small numbers that a trace hands out (stack, function, process, thread ids) to fixed-size
 * items with stable addresses. Why two levels: ids normally run without gaps, but a damaged or
 * hostile file may jump far ahead; then memory must follow what is set, not the largest number.
 * Invariants: an item never moves once put; a new item is all zero bytes. Not here: what the items
 * mean (symbols.h, model.h). Not thread-safe. */
#ifndef REPLAY_SPARSE_H
#define REPLAY_SPARSE_H

#include <stddef.h>
#include <stdint.h>

struct sparse {
    void **leaves;
    size_t leaf_count, leaf_capacity; /* leaf_count: one past the last leaf in use */
    size_t item_bytes;
    unsigned leaf_log2; /* items of a leaf */
    uint32_t limit;     /* one past the largest id that was put */
};

/* An empty map of items of item_bytes each, which takes memory for 2^leaf_log2 of them at a time.
 */
void sparse_init(struct sparse *s, size_t item_bytes, unsigned leaf_log2);
/* Frees all items; what they own is the caller's. */
void sparse_release(struct sparse *s);
/* The item of id, zeroed when it is new; NULL when out of memory. id 0..2^32-2. */
void *sparse_put(struct sparse *s, uint32_t id);

/* The item of id, or NULL when nothing near it was ever put: a returned item may be all zero, which
 * its owner must be able to tell from a set one. */
static inline void *sparse_get(const struct sparse *s, uint32_t id)
{
    size_t leaf = id >> s->leaf_log2;
    if (leaf >= s->leaf_count || !s->leaves[leaf])
        return 0;
    return (char *)s->leaves[leaf] + (id & ((1u << s->leaf_log2) - 1)) * s->item_bytes;
}

#endif
