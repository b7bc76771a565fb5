/* Names of native frames for a recording that is read: what the trace brings along, what lies
 * beside it (TRACE.names), and what this machine's files say; and sentences about what has none.
 * Why here and not in every report: they all show functions. Invariants: a report without frames
 * reads no binary, and what was recorded without machine code is not looked through. Not here:
 * looking up and replacing (replay/naming.h). Not thread-safe. */
#ifndef ANALYZER_NATIVE_NAMES_H
#define ANALYZER_NATIVE_NAMES_H

#include "analyzer/recording.h"

#define NATIVE_NAMES_SUFFIX ".names" /* of the file beside a trace */

/* The parts with names that are known for the replayed trace, into options: those in it and those
 * beside it. *beside is theirs and freed by the caller, also after an error. Returns 0, or an
 * error of reading the trace to its end. */
int native_names_parts(struct recording *rec, struct naming_options *options, uint8_t **beside,
                       struct err *err);
/* Starts what will look names up, while there is little memory that it would have too
 * (symboliser.h); nothing where the command at hand will show none. */
void native_names_prepare(struct recording *rec, const struct options *o, enum layers shown);
/* Puts names in place of what the command at hand will show (layers.h). Returns 0, -ERR_NOMEM,
 * -ERR_IO. */
int native_names_apply(struct recording *rec, const struct options *o, enum layers shown,
                       struct err *err);
/* What a reader must know: modules whose functions have no names, and why; a sentence a line. */
void native_names_notes(const struct recording *rec, const char *prefix, FILE *out);

#endif
