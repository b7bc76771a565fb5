/* What debug information (DWARF) says of addresses: the functions around each, inlined ones too,
 * and the line of each.
 * Why all addresses of a file at once: a unit's tree and its table of lines are gone through once,
 * whatever the number of addresses; libdw's ready-made answers go through them for each.
 *
 *   place ── innermost ─▶ scope (inlined) ── outer ─▶ scope (inlined) ── outer ─▶ scope (function)
 *     │ line of its own       call line ──────────────┘    call line ─────────────┘
 *
 * Invariants: a place's scopes nest; what the information contradicts itself in is left out; memory
 * follows addresses, not files. Not here: symbol tables (elf_symbols.h), files (symbolise.h). Not
 * thread-safe. */
#ifndef REPLAY_SCOPES_H
#define REPLAY_SCOPES_H

#include <elfutils/libdw.h>
#include <stdint.h>

#define SCOPES_MAX_DEPTH                                                                           \
    64 /* of inlined functions at one address; what is further in is left out */

struct scope {
    const char *function;  /* borrowed from the file: mangled where it has such a name; or NULL */
    const char *call_file; /* where it was inlined into the next outer one; NULL: unknown */
    uint32_t call_line;    /* 0: unknown */
    uint32_t outer;        /* 1 + its index; 0: it is the outermost */
};

struct scope_place {
    uint64_t address;
    uint32_t innermost; /* 1 + index of a scope; 0: none is known */
    uint32_t depth;     /* how many scopes */
    uint32_t line;      /* 0: unknown */
    const char *file;   /* NULL: unknown; may be relative to `folder` */
    const char *folder; /* where the unit was compiled, NULL: unknown */
};

struct scopes {
    struct scope_place *places; /* the caller's, by rising address */
    uint32_t place_count;
    struct scope *items;
    uint32_t count, capacity;
};

/* Fills the places from the debug information; addresses are in its own terms. The places' other
 * fields are 0 before. Texts are borrowed from it. Returns 0 or -ERR_NOMEM; release is needed in
 * both cases. */
int scopes_read(struct scopes *s, Dwarf *debug, struct scope_place *places, uint32_t place_count);
/* Frees the scopes; the places stay the caller's. */
void scopes_release(struct scopes *s);

#endif
