/* Which frames of a stack are shown where machine code was recorded beside Python. Why the leaf is
 * what most people want: between two Python frames stands the interpreter, below the innermost one
 * stands who really asked for the memory.
 *
 *   recorded   libc! app!main │ <module> │ numpy!call │ load │ numpy!empty  libc!malloc_hook
 *   all        every frame
 *   leaf                        <module>                load   numpy!empty  libc!malloc_hook
 *   python                      <module>                load
 *
 * Why on the replayed state and not in each report: all of them then see ordinary stacks. A stack
 * without any Python frame is shown whole by `leaf`, and as no stack by `python`.
 * Invariants: no byte is lost: what a site holds stays; a node's parent stays smaller. Not here:
 * names of machine code (replay/), the page's own switch (web/tree.js). Not thread-safe. */
#ifndef ANALYZER_LAYERS_H
#define ANALYZER_LAYERS_H

#include "replay/options.h"
#include "replay/replay.h"

/* Shows these frames from now on. Frames of modules, of which no name is known, become functions
 * called `libz.so.1+0x1f2a`. Nothing may be interned in the symbols or the sites afterwards.
 * *folded: are some frames outside the innermost Python frame no longer shown? Returns 0 or
 * -ERR_NOMEM. */
int layers_apply(struct replay *r, enum layers shown, bool *folded);
/* Tells which machine code is the program's own (struct function, own), by where its module lies;
 * layers_apply does so, too, once there are names. */
void layers_find_own(struct model *m);
/* Chains sites whose stacks now read the same (struct sites, same), for what lists stacks one by
 * one: trees don't need it, and it takes as long as they do. Returns 0 or -ERR_NOMEM. */
int layers_chain(struct replay *r);

#endif
