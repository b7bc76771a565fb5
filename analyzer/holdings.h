/* What was held at the moment, all in all: the figures at the head of `peak` and in the JSON's
 * "peak". Invariants: bytes is the sum over the listed stacks; rss, mapped, shared and retained are
 * of all processes in scope, also where the report lists one thread. Not here: who held it.
 * Thread-safe for different recordings. */
#ifndef ANALYZER_HOLDINGS_H
#define ANALYZER_HOLDINGS_H

#include "analyzer/report.h"

struct holdings {
    struct site_values values;
    uint64_t time_ns, rss_bytes, mapped_bytes, shared_bytes;
    uint64_t python_retained_bytes; /* arenas less the objects in them */
    uint32_t processes;             /* that held anything */
};

/* Adds them up for the report's moment, process and thread. */
struct holdings holdings_at_moment(const struct report *report);
/* Writes them as the object "peak" (or another key). */
void holdings_json(struct json *j, const char *key, const struct holdings *h);

#endif
