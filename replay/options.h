/* The command line of memreplay, parsed: which command, which trace, which options.
 * Why tables: options.def and commands.def make the parser and every help page. Invariants: strings
 * are borrowed from argv; an option that a command does not take is wrong usage, never ignored. Not
 * here: what options mean for a trace (analyzer/recording.h). Thread-safe. */
#ifndef REPLAY_OPTIONS_H
#define REPLAY_OPTIONS_H

#include "format/error.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum command_id {
#define COMMAND(name, operands, summary, options, example) COMMAND_##name,
#define LATER(name, summary)
#include "replay/commands.def"
#undef COMMAND
#undef LATER
    COMMAND_COUNT
};

enum when_kind { WHEN_NONE, WHEN_PEAK, WHEN_START, WHEN_END, WHEN_TIME, WHEN_SHARE, WHEN_MARK };

/* A moment as typed. */
struct when {
    enum when_kind kind;
    uint64_t time_ns;   /* TIME */
    uint32_t share_ppm; /* SHARE: of the duration, 0..1,000,000 */
    const char *text;   /* as typed */
};

struct options {
    enum command_id command;
    bool help, version; /* nothing else is to be done; with help, has_command tells which page */
    bool has_command;
    bool json, table, full, force, no_color, has_pid;
    uint32_t pid;
    uint64_t threshold;
    const char *thread, *output, *trace;
    struct when at, from, to;
};

/* Parses argv[1..]. Returns 0 or -ERR_USAGE with a sentence in err. */
int options_parse(struct options *o, int argc, char **argv, struct err *err);
/* Writes the page of --help. */
void options_help(const struct options *o, FILE *out);
/* "peak" and so on. Static storage. */
const char *command_name(enum command_id command);

/* A moment: a word of CLI.md, a time with a unit (12.5s, 300ms, 2m, 1h), a share (80%), else a
 * mark's name. Returns 0 or -ERR_USAGE (a share above 100%, a time that does not fit). */
int when_parse(struct when *when, const char *text, struct err *err);

#endif
