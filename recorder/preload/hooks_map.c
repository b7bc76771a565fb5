/* Mappings made by the program itself: mmap and its kin, and the break.
 * What libc maps for its own malloc doesn't come through here; what another allocator maps that
 * stands in for malloc is no event either (real_is_allocators). An anonymous mapping made while one
 * of Python's allocators is at work is an arena for objects that count one by one. Unmapping is
 * written before the call, mapping after it (hooks.h). Known gap: a mremap that moves is written
 * after the call, so a mapping that another thread makes in the old place in between is taken for
 * moved. Not here: what counts (format/ranges.h), residency (the collector samples it). */
#define _GNU_SOURCE
#include "recorder/preload/hooks_map.h"
#include "recorder/preload/ground.h"
#include "recorder/preload/hooks.h"
#include "recorder/preload/interp.h"
#include "recorder/preload/real.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Mappings are events also beneath an allocator that is being recorded, but not beneath our own
 * code. */
static bool map_enter(struct thread *t, uint8_t *before)
{
    *before = t->busy;
    if (t->busy == BUSY_ALLOCATOR)
        t->busy = BUSY_NO;
    if (hook_enter(t))
        return true;
    t->busy = *before;
    return false;
}

static void map_leave(struct thread *t, uint8_t before)
{
    hook_leave(t);
    t->busy = before;
}

static enum map_kind file_kind(int fd)
{
    struct stat st;
    struct statfs fs;
    int saved = errno;
    enum map_kind kind = MAP_KIND_FILE;
    if (fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 5))
        kind = MAP_KIND_ANONYMOUS; /* /dev/zero */
    else if (fstatfs(fd, &fs) == 0 && (fs.f_type == TMPFS_MAGIC || fs.f_type == HUGETLBFS_MAGIC))
        kind = MAP_KIND_SHARED;
    errno = saved;
    return kind;
}

static enum map_kind map_kind(int protection, int flags, int fd, bool beneath)
{
    if (!(flags & MAP_ANONYMOUS))
        return file_kind(fd);
    if (beneath)
        return MAP_KIND_ARENA;
    if (flags & MAP_NORESERVE)
        return MAP_KIND_NORESERVE;
    return protection & (PROT_READ | PROT_WRITE) ? MAP_KIND_ANONYMOUS : MAP_KIND_RESERVED;
}

static void emit_map(struct thread *t, const void *address, uint64_t length, enum map_kind kind,
                     unsigned allocator, const void *caller)
{
    uint64_t words[] = {RING_WORD(RING_MAP, kind, (uintptr_t)address), length,
                        hook_node_anywhere(t), allocator | (uint64_t)(uintptr_t)caller << 8};
    emit_words(t, words, 4);
}

#define ADDRESS_END     (UINT64_C(1) << 47)
#define EARLY_MAX       32
#define EARLY_MIN_BYTES (UINT64_C(256) << 10) /* the smallest arena (3.9) */

/* Anonymous mappings made while the runtime starts, as if it had overwritten our allocators: if it
 * has, they are its arenas. */
static struct {
    uintptr_t address;
    uint64_t length;
} early[EARLY_MAX];
static _Atomic uint32_t early_count;

static void remember_early(const void *address, uint64_t length)
{
    uint32_t python = atomic_load_explicit(&process.slot->python, memory_order_relaxed);
    if (LIKELY(python != SLOT_PYTHON_WAITING) || length < EARLY_MIN_BYTES)
        return;
    uint32_t at = atomic_fetch_add(&early_count, 1);
    if (at < EARLY_MAX) {
        early[at].address = (uintptr_t)address;
        early[at].length = length;
    }
}

void map_early_are_arenas(void)
{
    uint32_t count = atomic_load(&early_count);
    for (uint32_t i = 0; i < count && i < EARLY_MAX; i++) {
        uint64_t words[] = {RING_WORD(RING_MAP, MAP_KIND_ARENA, early[i].address), early[i].length,
                            NODE_NONE, ALLOCATOR_MMAP};
        emit_words(&thread_self, words, 4);
    }
}

static void *map_outcome(void *address, size_t length, int protection, int flags, int fd,
                         const void *caller)
{
    struct thread *t = &thread_self;
    uint8_t before;
    if (!map_enter(t, &before))
        return address;
    if (address == MAP_FAILED)
        hook_failed(t, length, ALLOCATOR_MMAP, errno);
    else
        emit_map(t, address, length, map_kind(protection, flags, fd, before == BUSY_ALLOCATOR),
                 ALLOCATOR_MMAP, caller);
    if (address != MAP_FAILED && flags & MAP_ANONYMOUS && before == BUSY_NO)
        remember_early(address, length);
    map_leave(t, before);
    return address;
}

/* Memory has gone or may not be read any more: what is known of stacks is void. */
static void memory_went(void)
{
    if (interp.native)
        ground_unmapped();
}

#define CALLER __builtin_return_address(0)

static ALWAYS_INLINE void *map(void *hint, size_t length, int protection, int flags, int fd,
                               off_t offset, const void *caller)
{
    void *address = real.mmap(hint, length, protection, flags, fd, offset);
    return real_is_allocators(caller) ? address
                                      : map_outcome(address, length, protection, flags, fd, caller);
}

EXPORT void *mmap(void *hint, size_t length, int protection, int flags, int fd, off_t offset)
{
    return map(hint, length, protection, flags, fd, offset, CALLER);
}

EXPORT void *mmap64(void *hint, size_t length, int protection, int flags, int fd, off64_t offset)
{
    return map(hint, length, protection, flags, fd, offset, CALLER);
}

EXPORT int munmap(void *address, size_t length)
{
    struct thread *t = &thread_self;
    uint8_t before;
    bool valid = length && ((uintptr_t)address & (4096 - 1)) == 0 &&
                 (uintptr_t)address < ADDRESS_END && length <= ADDRESS_END - (uintptr_t)address;
    if (valid && map_enter(t, &before)) {
        uint64_t resident = length >= BIG_BYTES ? big_resident(address, length) : BIG_UNKNOWN;
        if (resident != BIG_UNKNOWN)
            emit3(t, RING_WORD(RING_RESIDENT_RANGE, 0, (uintptr_t)address), length, resident);
        emit2(t, RING_WORD(RING_UNMAP, 0, (uintptr_t)address), length);
        map_leave(t, before);
    }
    int status = real.munmap(address, length);
    memory_went();
    return status;
}

static void remap_outcome(void *old, size_t old_length, void *fresh, size_t length, int flags)
{
    struct thread *t = &thread_self;
    uint8_t before;
    if (!map_enter(t, &before))
        return;
    if (fresh == MAP_FAILED) {
        hook_failed(t, length, ALLOCATOR_MREMAP, flags & MREMAP_MAYMOVE ? errno : 0);
    } else {
        uint64_t words[] = {RING_WORD(RING_REMAP, flags & MREMAP_DONTUNMAP ? 1 : 0, (uintptr_t)old),
                            old_length, (uintptr_t)fresh, length, hook_node_anywhere(t)};
        emit_words(t, words, 5);
    }
    map_leave(t, before);
}

EXPORT void *mremap(void *old, size_t old_length, size_t length, int flags, ...)
{
    void *target = NULL;
    if (flags & MREMAP_FIXED || flags & MREMAP_DONTUNMAP) {
        va_list rest;
        va_start(rest, flags);
        target = va_arg(rest, void *);
        va_end(rest);
    }
    void *fresh = real.mremap(old, old_length, length, flags, target);
    memory_went();
    if (!real_is_allocators(CALLER))
        remap_outcome(old, old_length, fresh, length, flags);
    return fresh;
}

EXPORT int mprotect(void *address, size_t length, int protection)
{
    struct thread *t = &thread_self;
    uint8_t before;
    int status = real.mprotect(address, length, protection);
    memory_went();
    if (status == 0 && protection & PROT_WRITE && map_enter(t, &before)) {
        emit2(t, RING_WORD(RING_PROTECT, 1, (uintptr_t)address), length);
        map_leave(t, before);
    }
    return status;
}

EXPORT int madvise(void *address, size_t length, int advice)
{
    struct thread *t = &thread_self;
    uint8_t before;
    int status = real.madvise(address, length, advice);
    bool discards = advice == MADV_DONTNEED || advice == MADV_FREE || advice == MADV_REMOVE;
    if (status == 0 && discards && map_enter(t, &before)) {
        emit2(t, RING_WORD(RING_DISCARD, 0, (uintptr_t)address), length);
        map_leave(t, before);
    }
    return status;
}

/* The break moved from `from` to `to`, by the program's own call. */
static void break_moved(uintptr_t from, uintptr_t to)
{
    struct thread *t = &thread_self;
    uint8_t before;
    if (from == to || !map_enter(t, &before))
        return;
    if (to > from)
        emit_map(t, (void *)from, to - from, MAP_KIND_BRK, ALLOCATOR_BRK, NULL);
    else
        emit2(t, RING_WORD(RING_UNMAP, 0, to), from - to);
    map_leave(t, before);
}

static void break_failed(uint64_t length)
{
    struct thread *t = &thread_self;
    uint8_t before;
    if (!map_enter(t, &before))
        return;
    hook_failed(t, length, ALLOCATOR_BRK, errno);
    map_leave(t, before);
}

EXPORT void *sbrk(intptr_t increment)
{
    void *from = real.sbrk(increment);
    if (real_is_allocators(CALLER))
        return from;
    if (from == (void *)-1)
        break_failed(increment > 0 ? (uint64_t)increment : 0);
    else if (increment)
        break_moved((uintptr_t)from, (uintptr_t)from + (uintptr_t)increment);
    return from;
}

EXPORT int brk(void *to)
{
    uintptr_t from = (uintptr_t)real.sbrk(0);
    int status = real.brk(to);
    if (status == 0)
        break_moved(from, (uintptr_t)to);
    else
        break_failed((uintptr_t)to > from ? (uintptr_t)to - from : 0);
    return status;
}
