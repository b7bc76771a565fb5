/* How much memory memreplay may take: a small file may claim more than there is room for, and then
 * an allocation should fail, which we tell, before others pay for it or the kernel ends us without
 * a word. Three quarters of the machine's memory, or of a control group's limit (v1 or v2) where
 * that is less: that is what a container gets. Not here: setting the limit (main.c). Thread-safe.
 */
#ifndef REPLAY_CEILING_H
#define REPLAY_CEILING_H

#include <stdint.h>

/* What a trace of the usual size is read with, however small the group. */
#define CEILING_LEAST_BYTES (UINT64_C(32) << 20)

/* membership: "/proc/self/cgroup"; groups: "/sys/fs/cgroup"; machine_bytes: all its memory. What
 * cannot be read limits nothing. */
uint64_t ceiling_bytes(const char *membership, const char *groups, uint64_t machine_bytes);

#endif
