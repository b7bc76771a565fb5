/* One run, reduced to what its call paths held by one measure: what remains of a recording so that
 * several can be compared without all being in memory.
 * Why: two recordings of a million stacks each need not stand side by side; of the first, only the
 * paths that held something are kept, in the paths (paths.h) that all runs share. Invariants:
 * bytes and count are the sums over values; a path stands in values once. Not here: two sides and
 * what changed between them (comparison.h). Not thread-safe. */
#ifndef ANALYZER_PROFILE_H
#define ANALYZER_PROFILE_H

#include "analyzer/heights.h"
#include "analyzer/holdings.h"
#include "analyzer/paths.h"
#include "analyzer/tool.h"

struct path_value {
    uint32_t node;
    uint64_t bytes, count;
};

struct profile {
    const char *name;                      /* of the file, borrowed */
    char *trace_json;                      /* the object "trace", as trace_json.h writes it */
    char command[2048];                    /* as typed, safe to show */
    char python[64];                       /* "3.11.7", safe to show; "" where unknown */
    char about[128];                       /* "Python 3.11.7, pid 4242" */
    struct holdings held;                  /* values.bytes: in all */
    uint64_t duration_ns, started_unix_ns; /* started: 0 where unknown */
    uint64_t rss_high_bytes; /* the most that was resident over all processes, in the window */
    struct path_value *values;
    uint32_t value_count;
    struct heights heights; /* of its holders; known where the options ask to follow */
    bool bare_names;        /* an interpreter before 3.11 ran in it */
    bool qualified_names;   /* one from 3.11 on */
    bool comprehensions;    /* one before 3.12: comprehensions have frames of their own */
    bool no_comprehensions; /* one from 3.12 on */
};

/* Opens, replays and reduces one recording, then closes it. name and options are borrowed; side: 0
 * before, 1 after. Says in work->notes what is missing of it, and in work->damaged. Returns 0 or an
 * error of recording_open and recording_replay with err filled; release is needed in all cases. */
int profile_load(struct profile *profile, struct paths *paths, const char *name,
                 const struct options *options, enum measure measure, unsigned side,
                 struct work *work, struct err *err);
/* Frees everything, also of a zeroed profile. */
void profile_release(struct profile *profile);
/* Values on other paths: map[node] tells which. Returns 0 or -ERR_NOMEM. */
int profile_map(struct profile *profile, const uint32_t *map, uint32_t node_count);

#endif
