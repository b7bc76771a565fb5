/* What `memreplay check` is to hold: limits from the command line, and from a TOML file.
 * Why both in one: a limit that is typed replaces the file's. The file's keys are the options'
 * names, and a table [functions]:
 *
 *     max-peak = "500MB"            # or bytes: 500_000_000
 *     baseline = "main.db"          # beside this file
 *     max-growth = "2%"
 *     [functions]
 *     "app.load" = "50MB"
 *
 * Not here: whether they hold (check.h). Not thread-safe. */
#ifndef ANALYZER_BUDGET_H
#define ANALYZER_BUDGET_H

#include "replay/options.h"

struct function_limit {
    char *function; /* as typed */
    uint64_t bytes;
};

struct budget {
    struct bound peak, rss, leaks, temporary, growth;
    char *baseline; /* or NULL */
    struct function_limit *functions;
    size_t function_count, function_capacity;
};

/* Collects the limits that the options name. Returns 0; -ERR_USAGE with err for limits that make no
 * sense, or none at all; -ERR_NOT_FOUND, -ERR_IO for the file; -ERR_NOMEM. Release is needed in all
 * cases. */
int budget_init(struct budget *b, const struct options *o, struct err *err);
/* Frees everything, also of a zeroed b. */
void budget_release(struct budget *b);

#endif
