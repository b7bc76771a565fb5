/* An allocator that a signal handler may call whatever it interrupts: one bump of an atomic
 * counter, nothing is used again.
 * For programs that interrupt malloc at any instruction, which glibc's own does not allow.
 * Preloaded behind libmemrec.so. */
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SPACE_BYTES ((size_t)32 << 30)
#define HEADER      16

static _Atomic(char *) space;
static _Atomic size_t used;

static char *space_of(void)
{
    char *now = atomic_load(&space), *none = NULL;
    if (now)
        return now;
    now = (char *)syscall(SYS_mmap, NULL, SPACE_BYTES, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    atomic_compare_exchange_strong(&space, &none, now);
    return atomic_load(&space);
}

static void *take(size_t alignment, size_t size)
{
    size_t need = size + HEADER + alignment;
    size_t at =
        size < SPACE_BYTES / 2 ? atomic_fetch_add(&used, (need + 15) & ~(size_t)15) : SPACE_BYTES;
    if (at + need > SPACE_BYTES) {
        errno = ENOMEM;
        return NULL;
    }
    uintptr_t block =
        ((uintptr_t)space_of() + at + HEADER + alignment - 1) & ~(uintptr_t)(alignment - 1);
    ((size_t *)block)[-1] = size;
    return (void *)block;
}

void *malloc(size_t size) { return take(16, size); }
void free(void *block) { (void)block; }
void *memalign(size_t alignment, size_t size)
{
    return take(alignment < 16 ? 16 : alignment, size);
}
void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }
size_t malloc_usable_size(void *block) { return block ? ((size_t *)block)[-1] : 0; }

void *calloc(size_t count, size_t size)
{
    size_t bytes;
    return take(16, __builtin_mul_overflow(count, size, &bytes) ? SIZE_MAX : bytes);
}

void *realloc(void *old, size_t size)
{
    void *block = take(16, size);
    if (block && old)
        memcpy(block, old, malloc_usable_size(old) < size ? malloc_usable_size(old) : size);
    return block;
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    int saved = errno;
    *out = memalign(alignment, size);
    errno = saved;
    return *out ? 0 : ENOMEM;
}
