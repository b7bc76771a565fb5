/* Finding the real functions (real.h).
 * Until they are found, the allocating entries of the table point at small resolvers, so that the
 * hot path carries no check, and the mapping ones go straight to the kernel: a program's own
 * allocator calls them while it holds its own locks, and where a symbol is missing dlsym allocates
 * by that very allocator. Invariant: a block from the static area is recognised by its address and
 * never given to a real free. */
#define _GNU_SOURCE
#include "recorder/preload/real.h"
#include "recorder/preload/others.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

_Alignas(16) char real_bootstrap[REAL_BOOTSTRAP_BYTES];

static struct {
    _Atomic size_t used;
    bool resolving;
} bootstrap;

static void *bootstrap_take(size_t size)
{
    size_t need = (size + 15) & ~(size_t)15;
    size_t at = atomic_fetch_add(&bootstrap.used, need);
    if (need < size || at > REAL_BOOTSTRAP_BYTES || need > REAL_BOOTSTRAP_BYTES - at) {
        errno = ENOMEM;
        return NULL;
    }
    return real_bootstrap + at;
}

static void *first_malloc(size_t size)
{
    if (bootstrap.resolving)
        return bootstrap_take(size);
    real_resolve();
    return real.malloc(size);
}

static void *first_calloc(size_t count, size_t size)
{
    if (bootstrap.resolving)
        return size && count > SIZE_MAX / size ? NULL : bootstrap_take(count * size);
    real_resolve();
    return real.calloc(count, size);
}

static void *first_realloc(void *block, size_t size)
{
    if (bootstrap.resolving) {
        void *fresh = bootstrap_take(size);
        if (fresh && block)
            memcpy(fresh, block, size); /* both lie in the static area, so reading past the old
                                           block is harmless */
        return fresh;
    }
    real_resolve();
    return real.realloc(block, size);
}

static void first_free(void *block)
{
    if (bootstrap.resolving || real_is_bootstrap(block))
        return;
    real_resolve();
    real.free(block);
}

static int first_munmap(void *address, size_t length)
{
    return (int)syscall(SYS_munmap, address, length);
}

static void *first_mremap(void *old, size_t old_length, size_t length, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    void *target = va_arg(rest, void *);
    va_end(rest);
    return (void *)syscall(SYS_mremap, old, old_length, length, flags, target);
}

static int first_mprotect(void *address, size_t length, int protection)
{
    return (int)syscall(SYS_mprotect, address, length, protection);
}

/* Allocators call it as they begin. */
static int first_prctl(int option, ...)
{
    va_list rest;
    va_start(rest, option);
    unsigned long a = va_arg(rest, unsigned long), b = va_arg(rest, unsigned long),
                  c = va_arg(rest, unsigned long), d = va_arg(rest, unsigned long);
    va_end(rest);
    return (int)syscall(SYS_prctl, option, a, b, c, d);
}

static int first_madvise(void *address, size_t length, int advice)
{
    return (int)syscall(SYS_madvise, address, length, advice);
}

void *__sbrk(intptr_t increment); /* libc's other name for sbrk, which is ours */

static int first_brk(void *to)
{
    char *from = __sbrk(0);
    return __sbrk((char *)to - from) == (void *)-1 ? -1 : 0;
}

struct real real = {
    .malloc = first_malloc,
    .calloc = first_calloc,
    .realloc = first_realloc,
    .free = first_free,
    .mmap = raw_mmap,
    .munmap = first_munmap,
    .mremap = first_mremap,
    .mprotect = first_mprotect,
    .madvise = first_madvise,
    .brk = first_brk,
    .sbrk = __sbrk,
    .prctl = first_prctl,
};

static void resolve_into(struct real *found)
{
#define REAL(type, name, parameters)                                                               \
    {                                                                                              \
        void *symbol = dlsym(RTLD_NEXT, #name);                                                    \
        memcpy(&found->name, &symbol, sizeof symbol);                                              \
    }
#define OPTIONAL(type, name, parameters) REAL(type, name, parameters)
#include "recorder/preload/real.def"
#undef REAL
#undef OPTIONAL
}

void real_forget_error(void)
{
    dlsym(RTLD_NEXT, "malloc"); /* a look-up that succeeds takes back the error of the last one */
}

#define MAPPERS 8u

/* The code of allocators other than libc's, whose blocks are told one by one. */
static struct {
    uintptr_t from, bytes;
} mappers[MAPPERS];
static unsigned mapper_count;

bool real_is_allocators(const void *code)
{
    for (unsigned i = 0; i < mapper_count; i++)
        if ((uintptr_t)code - mappers[i].from < mappers[i].bytes)
            return true;
    return false;
}

/* The first byte of the library that an address lies in; NULL: not told. */
static const void *library_of(uintptr_t code)
{
    Dl_info info;
    int told = dladdr((void *)code, &info); /* banned: once, where dlsym is called anyway */
    return told ? info.dli_fbase : NULL;
}

/* Where the library lies that a function of an allocator is in, by its program headers. */
static void add_mapper(const void *function)
{
    const void *library = library_of((uintptr_t)function);
    uintptr_t bytes = 0;
    if (!library || mapper_count == MAPPERS)
        return;
    const char *base = library;
    const Elf64_Ehdr *head = library;
    const Elf64_Phdr *parts = (const Elf64_Phdr *)(base + head->e_phoff);
    for (unsigned i = 0; i < head->e_phnum; i++) {
        uintptr_t end = parts[i].p_vaddr + parts[i].p_memsz;
        if (parts[i].p_type == PT_LOAD && end > bytes)
            bytes = end;
    }
    mappers[mapper_count].from = (uintptr_t)base;
    mappers[mapper_count++].bytes = bytes;
}

static void find_allocator(const struct real *found)
{
    if (library_of((uintptr_t)found->malloc) != library_of((uintptr_t)found->waitpid))
        add_mapper((const void *)(uintptr_t)found->malloc);
}

void real_resolve(void)
{
    static bool done;
    if (done || bootstrap.resolving)
        return;
    int saved = errno;
    struct real found;
    uint8_t busy = thread_self.busy;
    thread_self.busy = BUSY_HOOK; /* what the loader allocates for us is not the program's */
    bootstrap.resolving = true;
    resolve_into(&found);
    find_allocator(&found);
    others_resolve(add_mapper);
    real_forget_error();
    bootstrap.resolving = false;
    real = found;
    done = true;
    thread_self.busy = busy;
    errno = saved;
}
