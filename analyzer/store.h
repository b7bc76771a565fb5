/* A recording as a database: written from a replayed trace, and read back in place of one. The
 * tables are documented in schema.sql, which is part of the program. Why all tables at once: a
 * database is asked what nobody thought of when it was made. Invariants: what a report says of a
 * database is what it says of the trace, byte by byte, or a refusal; a database is as hostile as
 * any file: its schema must be ours, every id is checked. Not here: replacing files (draft.h), the
 * command (sqlite.c). Not thread-safe. */
#ifndef ANALYZER_STORE_H
#define ANALYZER_STORE_H

#include "analyzer/insert.h"
#include "analyzer/recording.h"

#define STORE_APPLICATION_ID 0x4D524442 /* "MRDB" */
#define STORE_VERSION        1
#define STORE_RESOLUTION_NS  HISTORY_RESOLUTION_NS
#define STORE_TICKS          65536u

/* Table meta: numbers by name. */
struct store_meta {
#define META(key, about) uint64_t key;
#define COUNT(key, field, about)
#include "analyzer/store.def"
#undef META
#undef COUNT
};

/* The words that stand for small numbers, both ways; count of each below. */
extern const char *const store_started[4], *const store_ended[3], *const store_kinds[3];

/* schema.sql, NUL-terminated. */
const char *store_schema(void);

/* Asks a replay for all that a database keeps. */
void store_choose(struct replay_options *options);
/* Writes a recording, which was replayed for its peak as store_choose asks, into an empty database.
 * Errors of SQLite are left in to->rc. Returns 0 or -ERR_NOMEM. */
int store_write(struct writing *to, const struct recording *rec);
/* Its parts: sites and what is counted at them; stack_ids: by merged number. */
void store_write_sites(struct writing *to, const struct replay *r, const uint32_t *site_stacks);
/* The timeline and history. Returns 0 or -ERR_NOMEM. */
int store_write_history(struct writing *to, const struct replay *r);

#endif
