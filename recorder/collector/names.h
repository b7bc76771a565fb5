/* Functions and stack nodes of the whole trace, each once: what processes define separately is made
 * one by content. Why here and not in the reader: forty workers of one program have one set of
 * stacks, in the file too. Invariants: ids are dense, in order of definition, as the encoder hands
 * them out. Beyond a number of nodes old ones are forgotten, and may then get a second id: the
 * trace grows rather than the collector; readers take stacks of the same frames for one. Not here:
 * ids inside a process (nodes.h). Not thread-safe. */
#ifndef RECORDER_COLLECTOR_NAMES_H
#define RECORDER_COLLECTOR_NAMES_H

#include "format/encode.h"

struct names;

/* sink is called for every new definition with an EVENT_STACK or a FUNCTION record event, and
 * returns the id given to it, or 0 when it could not be written (then nothing is kept). nodes_max:
 * places for nodes, a power of two; 16 bytes each. Returns NULL when out of memory. */
struct names *names_new(uint32_t (*sink)(void *context, const struct event *ev), void *context,
                        size_t nodes_max);
/* Frees everything; NULL is fine. */
void names_free(struct names *n);

/* The id of a function; FUNCTION_UNKNOWN when out of memory. Texts are borrowed. */
uint32_t names_function(struct names *n, enum function_kind kind, struct text name,
                        struct text file, uint32_t first_line);
/* The same of native code that goes by a name alone. file: "" where it is in none. */
uint32_t names_native(struct names *n, const char *name, const char *file);
/* The id of the function that stands for a module; likewise. build_id: hex, empty where it has
 * none.
 */
uint32_t names_module(struct names *n, struct text path, struct text build_id);
/* The id of a node; STACK_UNKNOWN when out of memory. line: under a module the offset in it, which
 * the ring keeps in 32 bits as well. */
uint32_t names_stack(struct names *n, uint32_t parent, uint32_t function, uint32_t line);

#endif
