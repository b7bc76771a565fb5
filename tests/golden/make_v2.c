/* Writes v2.lz4, the golden trace of format version 2: the scenario of version 1 and, before its
 * last block, one with what version 2 brought: addresses that are expected, near and new, a coarse
 * time, and enough of it to be packed. v2.txt says in words what it holds. Once version 2 is
 * released, the trace itself must never be written anew. From the project's root: cc -std=gnu11
 * -D_GNU_SOURCE= -I. -o build/make_v2 tests/golden/make_v2.c build/libformat.a -llz4 &&
 * build/make_v2 tests/golden/v2.lz4 */
#define main make_v1
#include "tests/golden/make_v1.c"
#undef main

static void allocate_at(uint64_t address, uint32_t stack, uint64_t size_bytes)
{
    add((struct event){.kind = EVENT_ALLOC_ADDRESS,
                       .allocator = ALLOCATOR_PY_OBJ_POOLED,
                       .stack = stack,
                       .size_bytes = size_bytes,
                       .address = address});
}

static void release_at(uint64_t address)
{
    add((struct event){.kind = EVENT_FREE_ADDRESS, .address = address});
}

static void address_block(void)
{
    const uint64_t heap = 0x7F0000400000;
    add((struct event){.kind = EVENT_TIME, .time_ns = 2500000 + 3 * 131072});
    for (uint64_t i = 0; i < 60; i++) {
        allocate_at(heap + 64 * i, 2, 56);
        allocate_at(heap + 0x10000 + 32 * i, 3, 17 + i % 16);
    }
    for (uint64_t i = 0; i < 60; i += 2)
        release_at(heap + 64 * i);
    for (uint64_t i = 0; i < 10; i++)
        allocate_at(heap + 64 * (58 - 2 * i), 4, 50 + i);
    release_at(heap + 3);
    release_at(0x10);
    seal();
}

#ifndef MAKE_V3
int main(int argc, char **argv)
{
    static void (*const scenario[])(void) = {first_block, second_block, address_block, third_block,
                                             NULL};
    return make(argc, argv, scenario);
}
#endif
