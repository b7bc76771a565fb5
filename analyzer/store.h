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
#include "analyzer/select.h"

#define STORE_APPLICATION_ID 0x4D524442 /* "MRDB" */
#define STORE_VERSION        3

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

/* A database that is open in place of a trace. */
struct store {
    struct reading from;
    struct store_meta meta;
    struct trace_header header;
    struct text *arguments; /* of the header */
    char *words;            /* their bytes */
    struct trace_damage *damage;
};

/* Opens rec->name, which is a database, and reads what stands in a trace's header: rec->store,
 * rec->file.header. Returns 0; -ERR_NOT_A_TRACE where another program made it, -ERR_VERSION,
 * -ERR_DAMAGED, -ERR_NOMEM with err filled. store_close is needed in all cases. */
int store_open(struct recording *rec, struct err *err);
/* Closes rec->store, if there is one. */
void store_close(struct recording *rec);
/* Fills rec->replay and rec->file for the options, as recording_replay does from a trace. A moment
 * beyond the end leaves moment.chosen false. Returns 0; -ERR_USAGE for what a database does not
 * keep; -ERR_DAMAGED, -ERR_NOMEM. */
int store_replay(struct recording *rec, const struct options *o, struct err *err);

/* Its parts. Each reads some tables into the replay; what is wrong is left in the store. */

/* Processes, threads, functions, stacks, marks, losses, sums. */
void store_read_model(struct store *store, struct replay *r);
/* Sites, with what is live at the peak and at the end, temporary and in all. */
void store_read_sites(struct store *store, struct replay *r);
/* The timeline; rows: with what sites and processes held over time. */
void store_read_history(struct store *store, struct replay *r, bool rows);
/* What was live at the end of a tick becomes what is live at the moment. */
void store_read_moment(struct store *store, struct replay *r, uint32_t tick);

#endif
