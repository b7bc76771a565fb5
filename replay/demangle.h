/* Names of functions as their language writes them: C++ (Itanium), Rust (legacy and v0).
 * Why without parameters: a line of a report must be readable, and file and line tell overloads
 * apart. Why libiberty: it knows both languages and needs libc alone (docs/dependencies.md).
 * Invariants: what comes out has a bound, however a hostile name repeats itself; a name that is
 * not mangled, or wrongly, stays as it is. Not here: which symbol stands for an address
 * (elf_symbols.h). Thread-safe. */
#ifndef REPLAY_DEMANGLE_H
#define REPLAY_DEMANGLE_H

#include <stdbool.h>
#include <stddef.h>

#define DEMANGLE_MAX_BYTES 4096 /* of a name, NUL included; longer ones are cut */

/* Does the name begin as mangled ones do? */
bool demangle_mangled(const char *name);

/* Writes the name for people into out[DEMANGLE_MAX_BYTES], NUL-terminated: demangled, or as it is
 * but for a symbol version ("memcpy@@GLIBC_2.14"). Returns its length. */
size_t demangle(const char *name, char *out);

#endif
