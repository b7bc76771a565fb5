/* A hash from keys to numbers (numbering.h), at most half full. Why our own: keys are 64 bits and
 * nothing is ever taken out. */
#include "analyzer/numbering.h"

#include "format/error.h"
#include <stdlib.h>

#define FIRST_SLOTS 1024u

int numbering_init(struct numbering *n)
{
    *n = (struct numbering){.slot_count = FIRST_SLOTS};
    n->slots = calloc(n->slot_count, sizeof *n->slots);
    return n->slots ? 0 : -ERR_NOMEM;
}

void numbering_release(struct numbering *n)
{
    free(n->slots);
    *n = (struct numbering){0};
}

/* Where a key stands, or belongs. */
static struct numbered *find(struct numbered *slots, size_t slot_count, uint64_t key)
{
    uint64_t hash = (key ^ key >> 29) * 0x9E3779B97F4A7C15u;
    size_t at = (hash ^ hash >> 32) & (slot_count - 1);
    while (slots[at].key_plus_1 && slots[at].key_plus_1 != key + 1)
        at = (at + 1) & (slot_count - 1);
    return &slots[at];
}

static int grow(struct numbering *n)
{
    size_t slot_count = n->slot_count * 2;
    struct numbered *slots = calloc(slot_count, sizeof *slots);
    if (!slots)
        return -ERR_NOMEM;
    for (size_t i = 0; i < n->slot_count; i++)
        if (n->slots[i].key_plus_1)
            *find(slots, slot_count, n->slots[i].key_plus_1 - 1) = n->slots[i];
    free(n->slots);
    n->slots = slots;
    n->slot_count = slot_count;
    return 0;
}

uint32_t numbering_of(struct numbering *n, uint64_t key, bool *met)
{
    if (n->count >= n->slot_count / 2 && grow(n))
        return UINT32_MAX;
    struct numbered *slot = find(n->slots, n->slot_count, key);
    *met = slot->key_plus_1;
    if (!*met)
        *slot = (struct numbered){key + 1, n->count++};
    return slot->number;
}
