/* What the options ask for, as options of a replay: the moment, the window, the measure. And
 * whether the trace had it. Why some read the file twice: a share of the duration and the peak as
 * a window's end are known only at the end of the trace. Not here: opening and replaying
 * (recording.h), the words for a moment (span.h). Not thread-safe. */
#ifndef ANALYZER_CHOICE_H
#define ANALYZER_CHOICE_H

#include "analyzer/recording.h"

/* Fills the options of the replay; reads an opened trace for what must be known before, and opens
 * it anew. Returns 0; -ERR_USAGE for what makes no sense, or needs a file where there is a pipe;
 * -ERR_IO, -ERR_NOMEM. */
int choice_make(struct recording *rec, const struct options *o, struct replay_options *made,
                struct err *err);
/* After the replay: -ERR_USAGE with a sentence for a moment or mark that the trace does not have;
 * else 0. */
int choice_check(const struct recording *rec, const struct options *o, struct err *err);

/* Is the report about what was never freed? */
bool choice_leaks(const struct options *o);
/* Is it about an interval and not the whole run? */
bool choice_window(const struct options *o);

#endif
