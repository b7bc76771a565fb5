/* process_vm_readv on ourselves; where that is forbidden (seccomp), a system call that only reads
 * its argument tells whether each page may be read. See peek.h. */
#define _GNU_SOURCE
#include "recorder/preload/peek.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* rt_sigprocmask copies its set (8 bytes) before it looks at `how`: EFAULT if they are not
 * readable, EINVAL for this `how` if they are (kernel/signal.c). */
static bool readable(uintptr_t address)
{
    return syscall(SYS_rt_sigprocmask, ~0L, (address & ~7ul), 0L, 8L) == -1 && errno != EFAULT;
}

static bool peek_by_page(uintptr_t address, void *out, size_t size_bytes)
{
    for (uintptr_t at = address; at < address + size_bytes; at = (at | 4095) + 1)
        if (!readable(at))
            return false;
    memcpy(out, (const void *)address, size_bytes);
    return true;
}

bool peek(uintptr_t address, void *out, size_t size_bytes)
{
    if (address < 4096 || address > UINTPTR_MAX - size_bytes)
        return false;
    struct iovec from = {(void *)address, size_bytes};
    struct iovec to = {out, size_bytes};
    long copied = syscall(SYS_process_vm_readv, (long)syscall(SYS_getpid), &to, 1L, &from, 1L, 0L);
    if (copied == (long)size_bytes)
        return true;
    if (copied == -1 && errno != EFAULT)
        return peek_by_page(address, out, size_bytes);
    return false;
}

uintptr_t peek_word(uintptr_t address)
{
    uintptr_t word;
    return peek(address, &word, sizeof word) ? word : 0;
}
