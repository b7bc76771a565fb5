/* The command line of memreplay, parsed: which command, which trace, which options.
 * Why tables: options.def and commands.def make the parser and every help page. Invariants: strings
 * are borrowed from argv; an option that a command does not take is wrong usage, never ignored. Not
 * here: what options mean for a trace (analyzer/recording.h). Thread-safe. */
#ifndef REPLAY_OPTIONS_H
#define REPLAY_OPTIONS_H

#include "replay/typed.h"
#include <stdio.h>

enum command_id {
#define COMMAND(name, operands, summary, options, example) COMMAND_##name,
#define TOOL(name, operands, summary, options, example)    COMMAND_##name,
#define LATER(name, summary)
#include "replay/commands.def"
#undef COMMAND
#undef TOOL
#undef LATER
    COMMAND_COUNT
};

/* Which frames are shown where there is machine code (analyzer/layers.h). */
enum layers { LAYERS_LEAF, LAYERS_PYTHON, LAYERS_ALL };

#define OPTIONS_WORDS 64 /* of one kind */

/* Words of one kind, in the order typed. */
struct words {
    const char *items[OPTIONS_WORDS];
    int count;
};

struct options {
    enum command_id command;
    bool help, version; /* nothing else is to be done; with help, has_command tells which page */
    bool has_command;
    bool json, markdown, html, table, full, force, no_color, has_pid;
    bool leaks, temporary, totals, inverted, svg, no_source, beside;
    bool follow; /* never typed: a tool needs what sites held over time */
    uint32_t pid;
    uint64_t threshold;
    const char *thread, *output, *format, *limits_file, *baseline;
    const char *trace;                  /* the first operand, or NULL */
    struct words traces, before, after; /* traces: all operands */
    struct words *sink;                 /* while parsing: where operands go, one of these */
    struct words limits;                /* FUNCTION=SIZE, as typed */
    struct bound noise, max_peak, max_rss, max_leaks, max_temporary, max_growth;
    struct when at, from, to;
    enum layers layers;
};

/* "leaf" and so on, as --frames takes them. Static storage. */
const char *layers_word(enum layers layers);
/* Parses argv[1..]. Returns 0 or -ERR_USAGE with a sentence in err. */
int options_parse(struct options *o, int argc, char **argv, struct err *err);
/* Writes the page of --help. */
void options_help(const struct options *o, FILE *out);
/* "peak" and so on. Static storage. */
const char *command_name(enum command_id command);
/* Does the command's row have one of these traits (option_bits.h)? */
bool command_has(enum command_id command, uint64_t traits);

#endif
