/* An allocator in a library, called by names of its own: PREFIX is what they begin with. It takes a
 * piece of memory from the kernel once. mine(block): is it from here? use(): a block that the
 * library itself takes through its exported name. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define JOIN(a, b)  a##b
#define JOIN2(a, b) JOIN(a, b)
#define NAME(name)  JOIN2(PREFIX, name)
#define PIECE       (64ul << 20)

static char *piece;
static size_t used;

void *NAME(aligned_alloc)(size_t to, size_t bytes)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    if (!piece)
        piece = mmap(NULL, PIECE, PROT_READ | PROT_WRITE, flags, -1, 0);
    used = (used + 16 + to - 1) / to * to;
    char *block = piece + used;
    used += bytes;
    if (used > PIECE)
        return NULL;
    memcpy(block - 8, &bytes, sizeof bytes);
    return memset(block, 0, bytes);
}

void *NAME(malloc)(size_t bytes) { return NAME(aligned_alloc)(16, bytes); }
void *NAME(calloc)(size_t count, size_t bytes) { return NAME(malloc)(count * bytes); }
void NAME(free)(void *block) { (void)block; }

void *NAME(realloc)(void *old, size_t bytes)
{
    size_t before = 0;
    if (old)
        memcpy(&before, (char *)old - 8, sizeof before);
    void *block = NAME(malloc)(bytes);
    if (block)
        memcpy(block, old ? old : block, before < bytes ? before : bytes);
    return block;
}

int NAME(posix_memalign)(void **out, size_t to, size_t bytes)
{
    *out = NAME(aligned_alloc)(to, bytes);
    return *out ? 0 : 12;
}

int mine(const void *block) { return (uintptr_t)block - (uintptr_t)piece < PIECE; }
void *use(size_t bytes) { return NAME(malloc)(bytes); }
