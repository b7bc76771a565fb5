/* Single steps of the processor: after every instruction between interrupt_on and interrupt_off a
 * SIGTRAP's handler runs, so what lies between is interrupted at each of its instructions, without
 * luck. x86-64 only. */
#ifndef TESTS_PROGRAMS_INTERRUPT_H
#define TESTS_PROGRAMS_INTERRUPT_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>

/* What a handler does: maps a page and unmaps it. Returns false: one of them failed. Keeps errno.
 */
static inline bool interrupt_maps(void)
{
    int saved = errno;
    char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool good = map != MAP_FAILED && munmap(map, 4096) == 0;
    errno = saved;
    return good;
}

#if defined(__x86_64__)
#    define INTERRUPT_POSSIBLE 1
static inline __attribute__((always_inline)) void interrupt_on(void)
{
    __asm__ volatile(
        "lea -128(%%rsp), %%rsp; pushfq; orq $0x100, (%%rsp); popfq; lea 128(%%rsp), %%rsp" ::
            : "memory", "cc");
}
static inline __attribute__((always_inline)) void interrupt_off(void)
{
    __asm__ volatile(
        "lea -128(%%rsp), %%rsp; pushfq; andq $-257, (%%rsp); popfq; lea 128(%%rsp), %%rsp" ::
            : "memory", "cc");
}
#else
#    define INTERRUPT_POSSIBLE 0
static inline void interrupt_on(void) {}
static inline void interrupt_off(void) {}
#endif

#endif
