/* What the kernel says of the recorded processes: RSS every 10 ms, the resident bytes of big blocks
 * and sampled mappings. Why from outside: reading /proc costs the program nothing. Where /proc may
 * not be read (after a change of user) there are no samples. Bounded: a tick looks at SAMPLE_PAGES
 * pages at most and goes on at the next. Not here: what the numbers mean (DESIGN of reports:
 * replay). Not thread-safe. */
#ifndef RECORDER_COLLECTOR_SAMPLE_H
#define RECORDER_COLLECTOR_SAMPLE_H

#include "recorder/collector/processes.h"

#define SAMPLE_TICK_NS  UINT64_C(10000000)
#define SAMPLE_ROUND_NS UINT64_C(100000000)
#define SAMPLE_PAGES    65536u

/* One tick over all living processes; now: trace time. */
void sample_tick(struct processes *all);

#endif
