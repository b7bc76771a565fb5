/* Reads and stores at addresses that are numbers: the interpreter's memory, which another thread
 * may write.
 *
 * Every access is one relaxed atomic load: it is never torn, repeated or invented by the compiler.
 * The address must be mapped and aligned; where that isn't sure yet, see peek.h. */
#ifndef RECORDER_PRELOAD_MEMORY_H
#define RECORDER_PRELOAD_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

static inline uint8_t memory_u8(uintptr_t address)
{
    return __atomic_load_n((const uint8_t *)address, __ATOMIC_RELAXED);
}

static inline uint16_t memory_u16(uintptr_t address)
{
    return __atomic_load_n((const uint16_t *)address, __ATOMIC_RELAXED);
}

static inline uint32_t memory_u32(uintptr_t address)
{
    return __atomic_load_n((const uint32_t *)address, __ATOMIC_RELAXED);
}

static inline int32_t memory_i32(uintptr_t address) { return (int32_t)memory_u32(address); }

/* A pointer or a Py_ssize_t. */
static inline uintptr_t memory_word(uintptr_t address)
{
    return __atomic_load_n((const uintptr_t *)address, __ATOMIC_RELAXED);
}

/* Is a pointer at an address this one? A plain load, so that it is compared where it stands: the
 * compiler makes no use of it but the answer, and an aligned word is read whole. */
static inline bool memory_is_word(uintptr_t address, uintptr_t word)
{
    return *(const uintptr_t *)address == word;
}

/* Stores a pointer, likewise. */
static inline void memory_put_word(uintptr_t address, uintptr_t word)
{
    __atomic_store_n((uintptr_t *)address, word, __ATOMIC_RELAXED);
}

#endif
