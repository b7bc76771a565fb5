/* What /proc tells of another process. Each answer holds for the moment it was asked; a process
 * that is gone, or may not be looked at, gives empty ones. Thread-safe. Not here: the maps
 * (processes.c), memory's residency (residency.h). Source: proc(5). */
#ifndef RECORDER_COLLECTOR_PROC_H
#define RECORDER_COLLECTOR_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What an image runs. */
struct proc_image {
    char *command; /* words with their NULs; NULL: not to be told (a zombie has none) */
    size_t command_bytes;
    char *executable; /* NULL: not to be told */
};

/* Opens /proc/PID/NAME for reading; -1 with errno set. */
int proc_open(uint32_t pid, const char *name);
/* Reads up to capacity bytes of it; returns how many, 0 when it could not be opened. */
size_t proc_read(uint32_t pid, const char *name, char *out, size_t capacity);

/* The state letter; 0: no such process. */
char proc_state(uint32_t pid);
/* The parent's pid; 0: none, or not to be told. */
uint32_t proc_parent(uint32_t pid);
/* When it was started, in the kernel's ticks since boot; 0: not to be told. */
uint64_t proc_started(uint32_t pid);
/* The name of a thread of a process, not NUL-terminated; returns its length, 0: not to be told. */
size_t proc_thread_name(uint32_t pid, uint32_t tid, char *out, size_t capacity);
/* Does the process call itself `own` in the innermost pid namespace that it is in? */
bool proc_calls_itself(uint32_t pid, uint32_t own);

/* The image of a process; to be released. */
struct proc_image proc_image(uint32_t pid);
/* Takes from the parent's what could not be told of a forked child's. */
void proc_image_inherit(struct proc_image *image, const struct proc_image *parent);
/* Frees what it holds; an empty one is fine. */
void proc_image_release(struct proc_image *image);

#endif
