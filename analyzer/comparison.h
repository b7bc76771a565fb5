/* Two sides compared: what every call path and every function held before and after.
 * Why the run in the middle: with several runs a side, sums of medians are no sums of anything. So
 * paths are compared between the run with the median of each side (of an even number the lower of
 * the two in the middle), and add up exactly; functions have medians of their own and a spread.
 * Why noise is named: two runs of the same program differ by some kilobytes, and a report that
 * explains them hides what matters.
 *
 *   profiles of a side ──median──▶ middle run ──▶ nodes[]: bytes and subtree by path, exact sums
 *                      └─by function──▶ changes[]: median and spread of own and of all
 *
 * Invariants: the sum of the nodes' differences is the difference of the two middle runs; a
 * function counts once for a path however often it recurs there. Not here: words (diff_text.h),
 * renamed functions (proposals.h). Not thread-safe. */
#ifndef ANALYZER_COMPARISON_H
#define ANALYZER_COMPARISON_H

#include "analyzer/profile.h"
#include "format/bits.h"

#define NOISE_LEAST_BYTES 65536u
#define NOISE_LEAST_PPM   1000u /* of the larger side */

struct side {
    struct profile *runs;
    uint32_t run_count;
    const struct profile *middle;
    uint64_t least_bytes, most_bytes; /* over its runs */
};

/* What a function held on one side. */
struct holding {
    uint64_t own_bytes;              /* what it allocated itself */
    uint64_t all_bytes;              /* with what it calls */
    uint64_t own_spread, all_spread; /* between the runs: highest - lowest */
};

struct change {
    uint32_t function;
    struct holding sides[PATH_SIDES];
};

/* A path at the middle runs. */
struct path_change {
    uint64_t bytes[PATH_SIDES], counts[PATH_SIDES]; /* allocated at its end */
    uint64_t below[PATH_SIDES];                     /* with all paths that begin with it */
    uint64_t moved_bytes; /* the sum of the absolute differences of `bytes` in it and below */
};

struct comparison {
    struct paths *paths; /* borrowed */
    struct side sides[PATH_SIDES];
    struct path_change *nodes; /* by node of paths */
    struct change *changes;    /* by function of paths */
    uint64_t *recurs;          /* bits by node: does its function stand above it already? */
    uint64_t noise_bytes;      /* differences of the whole up to this are noise */
    uint64_t floor_bytes;      /* the same without the spread of the runs */
    bool bare_names, no_comprehensions; /* how names were compared */
};

/* A signed difference; sums of sizes stay far below 2^63. */
static inline int64_t difference(uint64_t before, uint64_t after)
{
    return (int64_t)(after - before);
}

static inline uint64_t magnitude(int64_t value)
{
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

/* Compares runs that were loaded; runs and paths are borrowed and must stay. noise: as typed.
 * Returns 0 or -ERR_NOMEM; release is needed in both cases. */
int comparison_init(struct comparison *c, struct paths *paths, struct profile *before,
                    uint32_t before_count, struct profile *after, uint32_t after_count,
                    const struct bound *noise);
/* Frees everything but the runs. */
void comparison_release(struct comparison *c);

/* The difference of the whole: after less before. */
int64_t comparison_delta(const struct comparison *c);
/* Is the whole difference noise? */
bool comparison_is_noise(const struct comparison *c);
/* The difference of what a function allocated itself, and of what it holds with its callees. */
int64_t change_own(const struct change *change);
/* The same with its callees. */
int64_t change_all(const struct change *change);
/* Is each of them below the noise or within the function's own spread? */
bool change_own_is_noise(const struct comparison *c, const struct change *change);
/* The same with its callees. */
bool change_all_is_noise(const struct comparison *c, const struct change *change);

static inline bool comparison_recurs(const struct comparison *c, uint32_t node)
{
    return bits_has(c->recurs, node);
}

#endif
