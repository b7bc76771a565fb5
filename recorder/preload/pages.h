/* Memory of the preload library's own, straight from the kernel.
 *
 * The system calls are made directly: mmap() by name would be our own hook. Pages come zeroed and
 * are only touched, so only cost, as they are used.
 * Not here: any allocator; users carve their mappings themselves. */
#ifndef RECORDER_PRELOAD_PAGES_H
#define RECORDER_PRELOAD_PAGES_H

#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* size_bytes zeroed bytes, private, page-aligned; NULL if the kernel has none. May change errno.
 * Async-signal-safe. */
static inline void *pages_map(size_t size_bytes)
{
    long address = syscall(SYS_mmap, (void *)0, size_bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0L);
    return address == -1 ? (void *)0 : (void *)address;
}

/* Give back a whole mapping of pages_map. May change errno. Async-signal-safe. */
static inline void pages_unmap(void *address, size_t size_bytes)
{
    syscall(SYS_munmap, address, size_bytes);
}

/* What is in a mapping of pages_map will be filled and asked for at random places all over: large
 * pages spare most misses of the TLB. A hint; not worth one below their size. May change errno.
 * Async-signal-safe. */
static inline void pages_are_random(void *address, size_t size_bytes)
{
    if (size_bytes >= 1 << 21)
        syscall(SYS_madvise, address, size_bytes, MADV_HUGEPAGE);
}

#endif
