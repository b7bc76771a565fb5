/* Two-level arrays by id, a leaf at a time (sparse.h). Why not one array: a hostile id would
 * make it as large as it likes. */
#include "replay/sparse.h"

#include <stdlib.h>
#include <string.h>

void sparse_init(struct sparse *s, size_t item_bytes, unsigned leaf_log2)
{
    *s = (struct sparse){.item_bytes = item_bytes, .leaf_log2 = leaf_log2};
}

void sparse_release(struct sparse *s)
{
    for (size_t i = 0; i < s->leaf_count; i++)
        free(s->leaves[i]);
    free(s->leaves);
    sparse_init(s, s->item_bytes, s->leaf_log2);
}

static int grow(struct sparse *s, size_t leaves)
{
    size_t capacity = s->leaf_capacity ? s->leaf_capacity : 16;
    while (capacity < leaves)
        capacity *= 2;
    void **grown = realloc(s->leaves, capacity * sizeof *grown);
    if (!grown)
        return -1;
    memset(grown + s->leaf_capacity, 0, (capacity - s->leaf_capacity) * sizeof *grown);
    s->leaves = grown;
    s->leaf_capacity = capacity;
    return 0;
}

void *sparse_put(struct sparse *s, uint32_t id)
{
    size_t leaf = id >> s->leaf_log2;
    if (leaf >= s->leaf_capacity && grow(s, leaf + 1))
        return 0;
    if (!s->leaves[leaf] && !(s->leaves[leaf] = calloc((size_t)1 << s->leaf_log2, s->item_bytes)))
        return 0;
    if (leaf >= s->leaf_count)
        s->leaf_count = leaf + 1;
    if (id >= s->limit)
        s->limit = id + 1;
    return sparse_get(s, id);
}
