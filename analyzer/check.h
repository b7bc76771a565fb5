/* What `memreplay check` found: one verdict for each limit, and who is answerable where one does
 * not hold. Why verdicts are copied out: each measure is a replay of its own, which is gone when
 * the report is written. Invariants: a verdict's bytes are what the report of that name tells with
 * the same options; offenders stand largest first. Not here: limits (budget.h), comparing with a
 * baseline (comparison.h). Not thread-safe. */
#ifndef ANALYZER_CHECK_H
#define ANALYZER_CHECK_H

#include "analyzer/budget.h"
#include "analyzer/comparison.h"

enum verdict_kind {
    VERDICT_PEAK,
    VERDICT_RSS,
    VERDICT_LEAKS,
    VERDICT_TEMPORARY,
    VERDICT_GROWTH,
    VERDICT_FUNCTION
};

#define OFFENDERS 3

/* A function of the program's own that holds (or, for growth, gained) much of it. Safe to show. */
struct offender {
    char function[400], file[400]; /* file: short */
    char path[1024];               /* the file as recorded */
    uint64_t bytes, before_bytes;
};

struct verdict {
    enum verdict_kind kind;
    const char *function; /* FUNCTION: as typed, borrowed from the budget */
    uint64_t bytes, limit_bytes;
    uint64_t before_bytes; /* in the baseline; GROWTH without one: when the window began */
    uint64_t blocks;
    bool holds;
    bool seen; /* false: a function that never ran, or no RSS was sampled; it holds */
    int offender_count;
    struct offender offenders[OFFENDERS];
};

struct check {
    const struct options *options;
    struct budget budget;
    struct verdict *verdicts;
    size_t count, capacity;
    struct profile first;    /* of the trace: what it is */
    struct profile baseline; /* the same of the baseline; its name NULL: none */
    bool bare_names;
};

/* Fills the offenders of a verdict from a comparison, in which the trace is the side after.
 * matched: bits by node, only what lies there or below counts; NULL: everything. growth: those that
 * gained most. Returns 0 or -ERR_NOMEM. */
int check_offenders(struct verdict *v, const struct comparison *c, const uint64_t *matched,
                    bool growth);

/* Each writes everything to out. */
void check_text(const struct check *c, FILE *out);
/* "memreplay.check/1". */
void check_json(const struct check *c, FILE *out);

#endif
