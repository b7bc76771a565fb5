/* Mapping events of a process and what they do to the sums (FORMAT.md 6, format/ranges.h).
 * Why apart: they are rare and cut each other; blocks do neither. Invariants: one event's pieces
 * change the sums together: no candidate lies between them; a piece's tag is (mapping number << 32
 * | site), so a piece knows its birth. Not here: cutting (ranges.h). Not thread-safe. */
#ifndef REPLAY_MAPPINGS_H
#define REPLAY_MAPPINGS_H

#include "replay/replay.h"

/* Applies a MAP, UNMAP, REMAP, PROTECT, DISCARD or RESIDENT_RANGE record. Returns 0 or -ERR_NOMEM.
 */
int mappings_apply(struct replay *r, const struct record *record);

#endif
