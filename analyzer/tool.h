/* Commands that open and write for themselves: several traces, a file of their own, a verdict.
 * Why apart from reports: main.c opens and replays one trace for a report; these need more or other
 * things. Invariants: words about the data go to work->notes, data to the output; exit statuses are
 * main.c's, from what is returned. Not here: the commands. Not thread-safe. */
#ifndef ANALYZER_TOOL_H
#define ANALYZER_TOOL_H

#include "analyzer/recording.h"

/* What main.c lends. */
struct work {
    recording_progress *progress; /* of the trace at hand; never NULL */
    void *context;
    FILE *notes;  /* sentences beside the data: stderr */
    bool damaged; /* set by tools: something that was read is damaged inside */
};

#define TOOL_EXCEEDED 1 /* a check that fails */

/* Each runs its command. Returns 0, TOOL_EXCEEDED, or an error code with err filled. */
#define COMMAND(name, operands, summary, options, example)
#define TOOL(name, operands, summary, takes, example)                                              \
    int name##_run(const struct options *options, struct work *work, struct err *err);
#define LATER(name, summary)
#include "replay/commands.def"
#undef COMMAND
#undef TOOL
#undef LATER

#endif
