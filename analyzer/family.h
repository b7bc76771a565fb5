/* The children of each call path, as lists in falling order of a size that the caller chooses.
 * Why apart from the paths: they only know their callers; pictures and walks go the other way.
 * Invariants: a list holds every child whose size is at least the least, once; equal sizes stand
 * in order of number. Not here: what the sizes mean. Thread-safe for different families. */
#ifndef ANALYZER_FAMILY_H
#define ANALYZER_FAMILY_H

#include "analyzer/paths.h"

struct family {
    uint32_t *first, *next; /* by node; 0: none */
};

/* What a node's place among its siblings goes by. */
typedef uint64_t family_size(const void *context, uint32_t node);

/* Lists the children of size `least` or more. Returns 0 or -ERR_NOMEM; release is needed in both
 * cases. */
int family_init(struct family *f, const struct paths *p, family_size *size, const void *context,
                uint64_t least);
/* Frees everything, also of a zeroed family. */
void family_release(struct family *f);

#endif
