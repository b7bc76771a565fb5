/* Mapped pieces by address: a balanced tree (Andersson's, "Balanced search trees made simple") in
 * one array of nodes. Why a tree: a program may have millions of mappings where the kernel was told
 * so, a hostile file may have as many as it likes, and in a sorted array each would move half of
 * them. Why that one: its depth is bounded whatever the addresses are, which random priorities are
 * not to somebody who knows them. Why one array: what a change will add is reserved before it, and
 * links are half as long.
 *
 *   nodes:  | none | piece | piece | free | piece | …      links are places in the array, 0 is none
 *
 * Each node also tells what its whole subtree holds, so that looking for reserved or resident
 * pieces passes by all others at once. Invariants: pieces are disjoint; a link of equal level is a
 * right one, and no two follow each other. Not here: what events do (ranges.h). Not thread-safe. */
#ifndef FORMAT_RANGE_TREE_H
#define FORMAT_RANGE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct range {
    uint64_t address, length;
    uint64_t resident_bytes; /* as last sampled; RANGE_UNSAMPLED before. Cutting a piece shares it
                                out in proportion, rounded to pages. */
    uint64_t tag;            /* the caller's: which site it belongs to; kept by every piece */
    uint8_t kind;            /* enum map_kind */
};
#define RANGE_UNSAMPLED UINT64_MAX

/* What can be looked for: any piece, or one of kind RESERVED, or one sampled with pages in it. */
enum range_holds { RANGE_ANY = 0, RANGE_RESERVED = 1, RANGE_RESIDENT = 2 };

struct range_node {
    struct range piece; /* of length 0: free */
    uint32_t left, right;
    uint8_t level;
    uint8_t holds; /* it, or any below it: enum range_holds, added up */
};

struct range_tree {
    struct range_node *nodes;
    uint32_t root, free;
    size_t count, used, capacity;
};

/* Empty, without memory of its own. */
void range_tree_init(struct range_tree *t);
/* Frees the nodes; t is empty again. */
void range_tree_release(struct range_tree *t);

/* Makes room for so many more pieces. Returns 0 or -ERR_NOMEM. */
int range_tree_reserve(struct range_tree *t, size_t more);
/* A piece where none is, for which there is room. It is copied. */
void range_tree_add(struct range_tree *t, const struct range *piece);
/* Takes the place of the piece that starts at its address, and is no longer than that. */
void range_tree_replace(struct range_tree *t, const struct range *piece);
/* Takes away the piece that starts there. */
void range_tree_remove(struct range_tree *t, uint64_t address);

/* The first piece that ends after the address and is one of those, or NULL. Valid until the next
 * change. */
const struct range *range_tree_after(const struct range_tree *t, uint64_t address,
                                     enum range_holds what);
/* The last piece that starts before the address, or NULL. Valid as above. */
const struct range *range_tree_before(const struct range_tree *t, uint64_t address);

#endif
