/* The functions that an ELF file's symbol tables name, sorted by address.
 * Why an own table: libdw's look-up goes through all symbols for each address, a millisecond in a
 * library like libpython; sorted once, it is half a microsecond. Invariants: a name is only given
 * inside [value, value + size) of its symbol; one without a size names nothing. Not here: opening
 * files (symbolise.h), demangling (demangle.h). Not thread-safe. */
#ifndef REPLAY_ELF_SYMBOLS_H
#define REPLAY_ELF_SYMBOLS_H

#include <elfutils/libdwfl.h>
#include <stdint.h>

struct elf_symbol {
    uint64_t start, end; /* addresses in the file's own terms */
    uint64_t reach;      /* the highest end of all up to this one */
    const char *name;    /* as it stands in the file */
    uint8_t binding;     /* STB_… */
};

struct elf_symbols {
    struct elf_symbol *items; /* by start; of those with one start and end, the best name alone */
    uint32_t count, capacity;
};

/* Reads all tables that belong to the module: its own, its separate debug file's, and what stands
 * in .gnu_debugdata. Names are borrowed from the module. Returns 0 or -ERR_NOMEM; no table is no
 * error; release is needed in all cases. */
int elf_symbols_read(struct elf_symbols *s, Dwfl_Module *module);
/* Frees the table. */
void elf_symbols_release(struct elf_symbols *s);

/* The innermost function around an address, or NULL. */
const char *elf_symbols_find(const struct elf_symbols *s, uint64_t address);

#endif
