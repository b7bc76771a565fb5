/* The names of allocators.def. Not here: records (record.c), bytes. */
#include "format/event.h"

static const struct {
    const char *name;
    int pooled;
} allocators[ALLOCATOR_COUNT] = {
#define ALLOCATOR(name, text, pooled) {text, pooled},
#include "format/allocators.def"
#undef ALLOCATOR
};

_Static_assert(ALLOCATOR_COUNT <= ALLOCATOR_LIMIT, "an op has five bits for the allocator");
_Static_assert(sizeof(struct event) == 24, "a window of events stays in the cache");

const char *allocator_name(unsigned allocator)
{
    return allocator < ALLOCATOR_COUNT ? allocators[allocator].name : "unknown allocator";
}

int allocator_pooled(unsigned allocator)
{
    return allocator < ALLOCATOR_COUNT && allocators[allocator].pooled;
}
