/* The body of a RECORD op in both directions (FORMAT.md 3.2): one table holds the fields of every
 * record. Why a table: a record's fields stand in one place, and limits and references are checked
 * alike for writer and reader. Invariants: what record_put wrote, record_get accepts with the same
 * ids. Not here: type and length before the body. */
#ifndef FORMAT_RECORD_H
#define FORMAT_RECORD_H

#include "format/event.h"
#include <stdbool.h>
#include <stddef.h>

/* The next id of each kind: everything below is defined (or was, in a lost block). */
struct ids {
    uint32_t function, stack, process, thread;
    uint64_t alloc;
};

/* May the record be written? 0; -ERR_LIMIT: a text, a list, the whole body or a value is beyond its
 * limit, or an id is not defined; -ERR_USAGE: no such type. Thread-safe, as all here. */
int record_check(const struct record *record, const struct ids *ids);

/* Upper bound of the body's bytes; of a checked record <= RECORD_MAX_BYTES. */
size_t record_bound(const struct record *record);

/* Writes the body of a checked record at out, which has record_bound() to spare. Returns the byte
 * after it. */
uint8_t *record_put(const struct record *record, uint8_t *out);

/* Reads a body of this type from [in, end). Texts point into it; lists of texts are stored in
 * arguments[RECORD_ARGUMENT_LIMIT] (borrowed). Missing fields are 0, surplus bytes are passed over.
 * Returns 0, or -ERR_DAMAGED: fields that don't fit, limits exceeded, undefined ids. type is a
 * known one. */
int record_get(struct record *record, enum record_type type, const uint8_t *in, const uint8_t *end,
               const struct ids *ids, struct text *arguments);

/* Bytes that a copy's texts and lists need beside the struct. */
size_t record_copy_bytes(const struct record *record);
/* Copies a record whose texts and lists then stand at room, which has record_copy_bytes() and is
 * aligned as for malloc. */
void record_copy(struct record *to, const struct record *from, void *room);

/* Takes the id that a record of this type defines and counts it in ids; *id receives it, 0 where
 * the type defines none. Returns 0, or -ERR_LIMIT when the ids of its kind are used up. */
int record_define(enum record_type type, struct ids *ids, uint32_t *id);

/* Is it a type of section 3.2? */
bool record_known(uint64_t type);
/* Is it an event (FORMAT.md 4)? */
bool record_counts(enum record_type type);

#endif
