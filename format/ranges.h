/* What mapping events mean: the mapped ranges of one process and how many bytes of them count
 * (FORMAT.md 6). Why in format/: the recorder (to know what to sample) and the replay (to count)
 * must cut ranges alike, so that a RESIDENT_RANGE names a piece that the replay has. Invariants:
 * pieces are disjoint, sorted, non-empty; a byte counts in one piece only; adjacent pieces are not
 * merged.
 *
 *   map over old ones:   |-- A --|-- B --|-- C --|    a new mapping first unmaps what
 *                            [==== D ====]            lies under it, so MAP_FIXED counts once
 *   becomes:             |-A-|==== D ====|-C'|
 *
 * Addresses are numbers of the recorded process. Lengths are rounded up, addresses down, to 4096 by
 * ranges itself. Not here: how pieces are found (range_tree.h), blocks, sums over processes. Not
 * thread-safe. */
#ifndef FORMAT_RANGES_H
#define FORMAT_RANGES_H

#include "format/event.h"
#include "format/range_tree.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RANGE_PAGE_BYTES 4096u

struct ranges {
    struct range_tree tree;
};

/* Called for each piece whose contribution changes: before is NULL for a new piece, after NULL for
 * one that is gone. */
typedef void range_change(void *context, const struct range *before, const struct range *after);

/* Empty, without memory of its own. */
void ranges_init(struct ranges *r);
/* Frees the pieces; r is empty again. */
void ranges_release(struct ranges *r);

/* Each of the following applies one event and reports every changed piece (change may be NULL), a
 * piece that is cut as its first part and a new second one. They return 0 or -ERR_NOMEM (then
 * nothing changed). Zero lengths do nothing; what would pass the last page of 2^64 is cut there. */

/* A new mapping; what lay under it is unmapped first. */
int ranges_map(struct ranges *r, uint64_t address, uint64_t length, enum map_kind kind,
               uint64_t tag, range_change *change, void *context);
/* Cuts away whatever lies there. */
int ranges_unmap(struct ranges *r, uint64_t address, uint64_t length, range_change *change,
                 void *context);
/* Moves [old, old+old_length) to [new, new+new_length), unmapping what lies there: kinds, tags and
 * resident bytes follow the pieces; what grows takes the last piece's kind and `tag`. A range that
 * was not known stays unknown. keep_old: MREMAP_DONTUNMAP, the old pieces stay, 0 of them resident
 * where that was sampled. */
int ranges_remap(struct ranges *r, uint64_t old_address, uint64_t old_length, uint64_t new_address,
                 uint64_t new_length, uint64_t tag, bool keep_old, range_change *change,
                 void *context);
/* RESERVED parts that become writable turn ANONYMOUS; everything else stays. */
int ranges_protect(struct ranges *r, uint64_t address, uint64_t length, bool writable,
                   range_change *change, void *context);
/* Pieces wholly inside lose their resident bytes (0 if they were sampled); others keep theirs until
 * the next sample. */
int ranges_discard(struct ranges *r, uint64_t address, uint64_t length, range_change *change,
                   void *context);
/* Sets the resident bytes of exactly this piece (its length at most); a piece that no longer is so
 * is left alone. */
int ranges_resident(struct ranges *r, uint64_t address, uint64_t length, uint64_t resident_bytes,
                    range_change *change, void *context);

/* Bytes that a piece adds to live bytes: its length (ANONYMOUS, BRK), its resident bytes (RESERVED,
 * NORESERVE; 0 when unsampled), else 0. */
uint64_t range_counted(const struct range *piece);
/* The piece that holds an address, or NULL. Valid until the next change. */
const struct range *ranges_find(const struct ranges *r, uint64_t address);
/* The first piece that ends after an address, or NULL: in order, each from the last one's end.
 * Valid as above. */
const struct range *ranges_next(const struct ranges *r, uint64_t address);
/* How many places there are to be asked for with ranges_at. */
size_t ranges_places(const struct ranges *r);
/* The piece in a place, or NULL: all of them, in no order, quicker than in theirs. Valid as above.
 */
const struct range *ranges_at(const struct ranges *r, size_t place);
/* How many pieces there are. */
size_t ranges_count(const struct ranges *r);
/* The memory that they take. */
size_t ranges_bytes(const struct ranges *r);

#endif
