/* What stacks are made of: texts, functions, frames and stack nodes (FORMAT.md 3.1 STACK, 3.2
 * FUNCTION).
 * Why texts are interned: a tree of processes names the same files over and over, and equal texts
 * become equal pointers; a function that is defined twice (another process, a recreated code
 * object) then finds its first definition in `same`. Why frames are interned: many nodes are the
 * same line of the same function, and there may be millions of nodes. Invariants: a node's parent
 * has a smaller id than the node, so walks end; 8 bytes a node. Not here: how a frame is shown
 * (analyzer/frame.h). Not thread-safe. */
#ifndef REPLAY_SYMBOLS_H
#define REPLAY_SYMBOLS_H

#include "format/event.h"
#include "replay/sparse.h"
#include <stdbool.h>
#include <string.h>

/* An interned text: equal texts are the same pointer. Lives as long as its symbols. NUL follows the
 * bytes, which may hold others. */
struct name {
    uint32_t length;
    char bytes[];
};

/* The name as a text, which borrows from it. */
static inline struct text name_text(const struct name *name)
{
    return (struct text){name->bytes, name->length};
}
/* Are these its bytes? */
static inline bool name_is(const struct name *name, struct text text)
{
    return name->length == text.length &&
           (!text.length || !memcmp(name->bytes, text.bytes, text.length));
}

struct function {
    const struct name *name, *file; /* NULL in a function that no block defined */
    const struct name *module;      /* machine code: path of the file that it was in; else empty */
    const struct name *build_id;    /* of the module, in hex; empty: none, not known */
    uint32_t first_line;
    uint32_t same;   /* the first id of an equal (kind, name, file, module, build id) */
    uint8_t kind;    /* enum function_kind */
    bool is_address; /* it has no name: it stands for one address of its module */
    bool own;        /* machine code of the program itself, not of a library (analyzer/layers.h) */
    uint64_t offset; /* which, from the module's first byte in memory */
};

/* What a function of machine code is made of; texts are borrowed. */
struct native_function {
    uint8_t kind; /* FUNCTION_NATIVE or FUNCTION_MODULE */
    struct text name, file, module, build_id;
    uint32_t first_line;
    bool is_address; /* as in struct function */
    uint64_t offset;
};

struct frame {
    uint32_t function;
    uint64_t line; /* of a MODULE: bytes from its first byte in memory */
};

struct stack_node {
    uint32_t parent_plus_1; /* 0: not defined; a parent is an id as in the trace: 0 empty, 1 unknown
                             */
    uint32_t frame;         /* index into symbols.frames */
};

struct symbols {
    struct sparse functions, stacks;
    uint32_t defined_functions, defined_stacks; /* how many */
    bool has_native;                            /* is a function machine code? */
    struct name_slot *names;                    /* hash set of texts */
    struct function_slot *equals;
    uint64_t name_count, name_mask, equal_count, equal_mask;
    struct frame *frames;  /* all different */
    uint32_t *frame_slots; /* hash: indices of frames + 1 */
    uint32_t frame_count, frame_capacity;
    uint64_t frame_mask;
    struct text_chunk *chunks;
    const struct name *empty;
};

/* Returns 0 or -ERR_NOMEM; release is needed in both cases. */
int symbols_init(struct symbols *s);
/* Frees everything, also after a failed init; names end with it. */
void symbols_release(struct symbols *s);

/* Interns a text (copied). NULL when out of memory. */
const struct name *symbols_name(struct symbols *s, struct text text);
/* Defines a function or a stack node; a second definition of an id replaces nothing and returns 0.
 * A node whose parent is not smaller gets STACK_UNKNOWN for it. Returns 0 or -ERR_NOMEM. */
int symbols_define_function(struct symbols *s, uint32_t id, uint8_t kind, struct text name,
                            struct text file, uint32_t first_line);
/* The same with all that may be known, as machine code has it: of kind MODULE (file and module are
 * its path, first_line is 0) or NATIVE, with its module where that is known. */
int symbols_define_native(struct symbols *s, uint32_t id, const struct native_function *native);
/* The id of an equal function, or a new one behind all that are defined. Returns 0 or -ERR_NOMEM.
 */
int symbols_native(struct symbols *s, const struct native_function *native, uint32_t *id);
/* The index of a frame, which is made where it is new. Returns 0 or -ERR_NOMEM. */
int symbols_intern_frame(struct symbols *s, uint32_t function, uint64_t line, uint32_t *frame);
/* The same as symbols_define_function for stack nodes. */
int symbols_define_stack(struct symbols *s, uint32_t id, uint32_t parent, uint32_t function,
                         uint64_t line);

/* The definition of an id, or NULL when no readable block defines it (and for 0 and 1). */
static inline const struct stack_node *symbols_stack(const struct symbols *s, uint32_t id)
{
    const struct stack_node *node = sparse_get(&s->stacks, id);
    return node && node->parent_plus_1 ? node : 0;
}
/* The frame of a node that symbols_stack gave. */
static inline const struct frame *symbols_frame(const struct symbols *s,
                                                const struct stack_node *node)
{
    return &s->frames[node->frame];
}
/* As symbols_stack, for functions. */
const struct function *symbols_function(const struct symbols *s, uint32_t id);

#endif
