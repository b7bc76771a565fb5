/* What the flame graph page carries of time, coarse enough for its budget (read by
 * analyzer/web/history.js), as sections of a pack; numbers are varints, changes signed ones:
 *
 *   line   points of the timeline, merged neighbours of the history's ticks: how many; for each:
 *          time since the one before, change of: most bytes in it, resident, RSS
 *   plin   the same of single processes: how many; for each: its position in meta's "processes",
 *          then for each point: change of: most bytes, resident, RSS
 *   hist   stored moments: how many; for each: time since the one before, flags (history_flag),
 *          bytes and blocks in all, how many rows; for each: entry less the row before's, change
 *          since the moment before of: bytes, allocations, bytes never touched
 *
 * Invariants: no point loses its maximum, so the highest point is the peak; at a stored moment the
 * entries add up to what it tells, exactly; the peak, the end and marks are stored moments, the
 * others the highest and lowest of their neighbourhood. Not here: what entries are (graph.h). Not
 * thread-safe. */
#ifndef ANALYZER_FLAMEGRAPH_TIME_H
#define ANALYZER_FLAMEGRAPH_TIME_H

#include "analyzer/flamegraph_data.h"

/* The most that each site held at the end of a tick, by site id; NULL when out of memory. The
 * caller frees it. */
uint64_t *flamegraph_highest(const struct replay *r);
/* The timeline. Returns 0 or -ERR_NOMEM. */
int flamegraph_pack_lines(struct pack *p, const struct flamegraph *f);
/* Stored moments, about so many beside those that are never left out. Returns 0 or -ERR_NOMEM. */
int flamegraph_pack_history(struct pack *p, const struct flamegraph *f, uint32_t moments);

#endif
