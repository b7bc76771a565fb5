/* What every report works with, and the reports themselves: one entry each, named as the command.
 * Why one struct: a command writes text or JSON from the same state. Invariants: a report only
 * reads; it never prints to stderr and never exits. Not here: opening, replaying (recording.h),
 * exit statuses (main.c). Not thread-safe. */
#ifndef ANALYZER_REPORT_H
#define ANALYZER_REPORT_H

#include "analyzer/frame.h"
#include "analyzer/json.h"
#include "analyzer/recording.h"
#include "analyzer/terminal.h"

struct report {
    const struct options *options;
    struct recording *rec;
    struct terminal terminal;
    struct frame_style frames;
};

/* Which of a site's values a report is about. */
enum measure { MEASURE_MOMENT, MEASURE_LEAKS, MEASURE_TEMPORARY, MEASURE_TOTALS };

/* What a measure says of a site. */
struct site_values measure_values(const struct sites *sites, enum measure measure, uint32_t site);

/* The sites that a report lists, one after another. */
struct selection {
    const struct report *report;
    enum measure measure;
    const struct process *process; /* only its sites; NULL: all */
    uint32_t site;                 /* the current one */
    struct site_values values;
};

/* Starts before the first site. */
void selection_start(struct selection *s, const struct report *report, enum measure measure);
/* The same over the sites of one process. */
void selection_of_process(struct selection *s, const struct report *report, enum measure measure,
                          const struct process *process);
/* Moves to the next site with something to show that the options let through; false at the end. */
bool selection_next(struct selection *s);
/* Do the options let the site through, and is it the first of those that read the same? */
bool report_lets(const struct report *report, uint32_t site);
/* What a measure says of a site and of those that read the same. */
struct site_values report_values(const struct report *report, enum measure measure, uint32_t site);
/* The sum over all of them. */
struct site_values selection_total(const struct report *report, enum measure measure);

/* Each writes its report for a replayed recording to the terminal. Return 0 or -ERR_NOMEM. */
#define COMMAND(name, operands, summary, options, example) int name##_report(struct report *report);
#define TOOL(name, operands, summary, options, example)
#define LATER(name, summary)
#include "replay/commands.def"
#undef COMMAND
#undef TOOL
#undef LATER

/* Sets up a report on a replayed recording that writes to out (borrowed). */
void report_init(struct report *report, const struct options *options, struct recording *rec,
                 FILE *out);
/* What a reader of the report must know beside it, one sentence a line, to out: incomplete,
 * damaged, lost. prefix before each. */
void report_notes(const struct recording *rec, const char *prefix, FILE *out);

#endif
