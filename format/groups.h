/* Where the control groups (v1 and v2) of a process keep their files on memory, and the numbers in
 * such files. Why every group on the way up: a limit or counter need not be the innermost's. Why
 * also by shortened paths: in a container our group's path is the host's, while its files stand at
 * the top of what is mounted. Why in the format: what records and what reads a trace keep to the
 * same limits. Not here: what is read there (collector/cgroup.h, collector/headroom.h,
 * replay/ceiling.h). Thread-safe. */
#ifndef FORMAT_GROUPS_H
#define FORMAT_GROUPS_H

#include <stdbool.h>
#include <stdint.h>

/* Is asked for each folder; v1: which version's files it has, if any. True: the search is over. */
typedef bool groups_visit(void *context, const char *folder, bool v1);

/* Visits the folders of the memory groups that a file like /proc/self/cgroup tells, each followed
 * by those above it. groups: "/sys/fs/cgroup". Returns false: the file cannot be read. */
bool groups_each(const char *membership, const char *groups, groups_visit *visit, void *context);

/* The number behind a name at the beginning of a line ("name 1", "name: 1"). Returns false where
 * there is none; *number is unchanged then. */
bool groups_number(const char *text, const char *name, uint64_t *number);

/* The limit in the text of memory.max (v2) or memory.limit_in_bytes (v1); UINT64_MAX: it sets none.
 */
uint64_t groups_limit(const char *text);

#endif
