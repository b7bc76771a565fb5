/* What the walker tells the rest of the preload library, the moment it first meets it.
 *
 * A stack is a 32-bit node id; a node is (parent node, code id, instruction); a code is a name, a
 * file and a table of lines. Whoever reads the trace must know a definition before the first use,
 * so a definition is handed out before its id can reach any other thread. These functions are
 * implemented by the hooks (they write ring events); the walker only calls them.
 *
 * All are called with errno saved by the caller. define_code and define_node run under the intern
 * lock (intern.h): they may wait, but not longer than LOCK_WAIT_NS, and must not walk, intern
 * or allocate. */
#ifndef RECORDER_PRELOAD_DEFINE_H
#define RECORDER_PRELOAD_DEFINE_H

#include <stdbool.h>
#include <stdint.h>

#include "recorder/line_table.h"
#include "recorder/preload/interp.h"

/* The facts of one code object. Everything is borrowed and valid only during the call.
 * Texts are UTF-8 without a terminating NUL, at most CODE_TEXT_MAX_BYTES, cut at a character; what
 * UTF-8 cannot say (a lone surrogate) stands as the six characters \udXXX. A text that cannot
 * be read is empty. */
struct code_facts {
    const char *filename;    /* co_filename */
    const char *name;        /* co_qualname where the interpreter has it (3.11+), else co_name */
    const uint8_t *table;    /* line table, in the code object's own memory */
    uint32_t filename_bytes; /* 0..CODE_TEXT_MAX_BYTES */
    uint32_t name_bytes;     /* 0..CODE_TEXT_MAX_BYTES */
    uint32_t table_bytes; /* 0..CODE_TABLE_MAX_BYTES; a longer one is left out (LINE_TABLE_NONE) */
    int32_t first_line;   /* co_firstlineno */
    uint8_t table_kind;   /* enum line_table_kind */
    uint8_t minor;        /* 9 for CPython 3.9 */
};

enum { CODE_TEXT_MAX_BYTES = 4096, CODE_TABLE_MAX_BYTES = 1 << 24 };

/* A code object was met for the first time. code_id: 1.., never reused in this process and the
 * children it forks afterwards.
 * Returns true when written; false: not written, and the id may come again with other facts. */
bool define_code(uint32_t code_id, const struct code_facts *facts);

/* A stack was met for the first time. id: NODE_FIRST.., never reused; parent: 0 for an outermost
 * frame, else a node that was defined before; code_id: defined before; lasti_bytes: the
 * instruction as frame.f_lasti shows it, -1 before the first.
 * Returns true when written; false: not written, and the id may come again with other facts. */
bool define_node(uint32_t id, uint32_t parent, uint32_t code_id, int32_t lasti_bytes);

/* The facts of one module (modules.h). Everything is borrowed and valid only during the call. */
struct module_facts {
    uint64_t start, bytes; /* the stretch that it was loaded to, all its parts */
    const char *path;      /* without a NUL; absolute where it is known */
    const uint8_t *id;     /* its build id, raw bytes */
    uint32_t path_bytes;   /* 0..CODE_TEXT_MAX_BYTES */
    uint32_t id_bytes;     /* 0..MODULE_ID_MAX_BYTES; 0: it has none */
};

enum { MODULE_ID_MAX_BYTES = 32 };

/* A module was met for the first time. id: 1.., never reused. Runs under the rules' lock; returns
 * as define_code does. */
bool define_module(uint32_t id, const struct module_facts *facts);

/* A module has been unloaded. Under the rules' lock. */
void define_module_gone(uint32_t id);

/* The layout check on live frames has ended; called once in a process's life, outside any lock.
 * verdict: INTERP_OK, or why stacks are off from here on; fact: NUL-terminated, borrowed, says
 * what was seen. */
void define_verdict(enum interp_verdict verdict, const char *fact);

#endif
