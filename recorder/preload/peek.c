/* A system call that only reads its argument tells whether a page may be read: a tenth of what it
 * costs to have the kernel copy (process_vm_readv), and no seccomp filter forbids it, for the C
 * library needs it. Where an emulation of the kernel answers otherwise, the kernel copies.
 * See peek.h. */
#define _GNU_SOURCE
#include "recorder/preload/peek.h"
#include "recorder/failpoint.h"

#include <errno.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE_BYTES 4096u

/* rt_sigprocmask copies its set (8 bytes) before it looks at `how`: EFAULT if they are not
 * readable, EINVAL for this `how` if they are (kernel/signal.c). Returns that, or 0. */
static int set_error(uintptr_t address)
{
    return FAILPOINT(peek_call, syscall(SYS_rt_sigprocmask, ~0L, address & ~7ul, 0L, 8L), -1) == -1
               ? errno
               : 0;
}

static bool copied_by_kernel(uintptr_t address, void *out, size_t size_bytes)
{
    struct iovec from = {(void *)address, size_bytes};
    struct iovec to = {out, size_bytes};
    return FAILPOINT(
               peek_copy,
               syscall(SYS_process_vm_readv, (long)syscall(SYS_getpid), &to, 1L, &from, 1L, 0L),
               -1) == (long)size_bytes;
}

/* A page is readable as a whole or not at all. */
static bool page_readable(struct glance *glance, uintptr_t address)
{
    uintptr_t page = address / PAGE_BYTES, *seen = &glance->pages[page % PEEK_PAGES];
    if (*seen == page)
        return true;
    uint8_t byte;
    int error = set_error(address);
    if (error == EFAULT || (error != EINVAL && !copied_by_kernel(address, &byte, 1)))
        return false;
    *seen = page;
    return true;
}

/* Not memcpy: what lies there belongs to nobody that a sanitizer knows. */
__attribute__((no_sanitize("address"))) static void copy(uintptr_t address, void *out, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        ((uint8_t *)out)[i] = *(const volatile uint8_t *)(address + i);
}

bool peek(struct glance *glance, uintptr_t address, void *out, size_t size_bytes)
{
    if (address < PAGE_BYTES || address > UINTPTR_MAX - size_bytes - PAGE_BYTES)
        return false;
    for (uintptr_t at = address; at < address + size_bytes; at = (at | (PAGE_BYTES - 1)) + 1)
        if (!page_readable(glance, at))
            return false;
    copy(address, out, size_bytes);
    return true;
}
