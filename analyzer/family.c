/* Sorting children by parent and size (family.h). Why one sort of all: a sort per parent would
 * need to know where each one's children stand. */
#include "analyzer/family.h"

#include "format/error.h"
#include <stdlib.h>

struct ranked {
    uint32_t parent, node;
    uint64_t size;
};

static int by_parent(const void *a, const void *b)
{
    const struct ranked *left = a, *right = b;
    if (left->parent != right->parent)
        return left->parent < right->parent ? -1 : 1;
    if (left->size != right->size)
        return left->size < right->size ? 1 : -1;
    return left->node < right->node ? -1 : 1;
}

int family_init(struct family *f, const struct paths *p, family_size *size, const void *context,
                uint64_t least)
{
    uint32_t count = 0;
    struct ranked *ranked = malloc(p->node_count * sizeof *ranked);
    f->first = calloc(p->node_count, sizeof *f->first);
    f->next = calloc(p->node_count, sizeof *f->next);
    if (!ranked || !f->first || !f->next) {
        free(ranked);
        return -ERR_NOMEM;
    }
    for (uint32_t node = PATH_ROOT + 1; node < p->node_count; node++) {
        uint64_t own = size(context, node);
        if (own >= least)
            ranked[count++] = (struct ranked){p->nodes[node].parent, node, own};
    }
    qsort(ranked, count, sizeof *ranked, by_parent);
    for (uint32_t i = count - 1; i < count; i--) {
        f->next[ranked[i].node] = f->first[ranked[i].parent];
        f->first[ranked[i].parent] = ranked[i].node;
    }
    free(ranked);
    return 0;
}

void family_release(struct family *f)
{
    free(f->first);
    free(f->next);
    *f = (struct family){0};
}
