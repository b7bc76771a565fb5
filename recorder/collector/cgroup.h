/* How often the kernel has killed for lack of memory where we run: the counter of our cgroup (v2
 * memory.events, v1 memory.oom_control), else the machine's
 * (/proc/vmstat). Why: it is the only way to tell an out-of-memory kill from any other SIGKILL. Not
 * here: limits. */
#ifndef RECORDER_COLLECTOR_CGROUP_H
#define RECORDER_COLLECTOR_CGROUP_H

#include <stdint.h>

/* The count so far; 0 where nothing tells. */
uint64_t cgroup_oom_kills(void);
/* The same from other folders than /proc, /sys/fs/cgroup and the file /proc/self/cgroup. */
uint64_t cgroup_oom_kills_of(const char *proc, const char *groups, const char *membership);

#endif
