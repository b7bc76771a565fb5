/* Functions and call paths that several recordings share, so that what they held can be compared.
 * Why by qualified name and the role of the file (origin.h), never by line: an edit moves lines,
 * and nobody wants to read that every function behind it is new. Why only paths that hold something
 * get a node: of two recordings with a million stacks each, most hold nothing at the moment.
 * Why recursion is collapsed: a tree that is one level deeper in the second run is the same code. A
 * cycle of up to 32 functions that repeats at once stands once:
 *
 *   a b b b c          →  a b c           a b c b c b c d   →   a b c d
 *
 * Invariants: a node's parent has a smaller id; the functions of a path, and its innermost one, are
 * those of the stacks that it stands for. Not here: bytes (profile.h). Not thread-safe. */
#ifndef ANALYZER_PATHS_H
#define ANALYZER_PATHS_H

#include "analyzer/origin.h"
#include "replay/symbols.h"

#define PATH_ROOT    0u /* the empty stack */
#define PATH_UNKNOWN 1u /* outer frames that could not be read; what hangs below it is known */
#define PATH_SIDES   2  /* before, after */

struct path_function {
    const struct name *name; /* qualified where both sides know it; "" in machine code without */
    const struct name *key;  /* kind and rest of its origin */
    const struct name *files[PATH_SIDES]; /* as recorded; NULL: the side never ran it */
    uint8_t kind;                         /* enum function_kind */
};

struct path_node {
    uint32_t parent, function;
};

struct paths {
    struct symbols texts;            /* interned names */
    struct path_function *functions; /* [0]: no function that is known */
    struct path_node *nodes;
    uint32_t *function_slots, *node_slots; /* hashes: id + 1, 0: empty */
    uint32_t function_count, function_capacity, node_count, node_capacity;
    uint32_t function_mask, node_mask;
};

#define PATH_NONE UINT32_MAX /* out of memory */

/* Empty paths. Returns 0 or -ERR_NOMEM; release is needed in both cases. */
int paths_init(struct paths *p);
/* Frees everything, also of zeroed paths. */
void paths_release(struct paths *p);

/* The function with this name and key, made where it is new; side 0 or 1 ran it from `file` (NULL:
 * does not say). Texts are copied. PATH_NONE when out of memory. */
uint32_t paths_function(struct paths *p, struct text name, struct text key, uint8_t kind,
                        unsigned side, const struct name *file);
/* The path of `function` called at the end of `parent`, recursion collapsed. PATH_NONE when out of
 * memory. */
uint32_t paths_node(struct paths *p, uint32_t parent, uint32_t function);

/* Which names both sides can agree on. */
struct paths_agreement {
    bool bare;             /* only what follows the last dot: one side knows no qualified names */
    bool no_comprehension; /* a comprehension's own frame is left out: one side has none */
};
/* Fills the empty paths `out` with those of p as the agreement reads them; map[node of p] becomes
 * the node of out. Returns 0 or -ERR_NOMEM. */
int paths_agree(struct paths *out, const struct paths *p, struct paths_agreement agreement,
                uint32_t *map);

/* Is it code of the program's own: neither the standard library, a package, nor the machine code of
 * a library? */
static inline bool path_function_own(const struct path_function *f)
{
    char origin = f->key->length ? f->key->bytes[0] : ORIGIN_LIBRARY;
    return f->kind == FUNCTION_PYTHON ? origin != ORIGIN_LIBRARY : origin == ORIGIN_PROGRAM;
}

/* By node: its innermost own function, else its own node's; room for one node at least. Free with
 * free(). NULL: out of memory. */
uint32_t *paths_holders(const struct paths *p);

/* The name made safe to show, into out[capacity]; ascii: escape what is not ASCII. */
void path_function_name(char *out, size_t capacity, const struct path_function *f, bool ascii);
/* The file, short and safe to show. */
void path_function_file(char *out, size_t capacity, const struct path_function *f, bool ascii);
/* The last part of a path, safe to show. */
void path_file_base(char *out, size_t capacity, const struct name *file, bool ascii);
/* The package of a library function, the module of machine code, else "". */
void path_function_package(char *out, size_t capacity, const struct path_function *f, bool ascii);

#endif
