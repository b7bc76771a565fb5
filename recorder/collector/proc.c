/* Reading /proc (proc.h). The name in /proc/PID/stat may hold anything: what follows is looked for
 * behind its last parenthesis. */
#define _GNU_SOURCE
#include "recorder/collector/proc.h"
#include "recorder/failpoint.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COMMAND_BYTES 16384

int proc_open(uint32_t pid, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%u/%s", pid, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

size_t proc_read(uint32_t pid, const char *name, char *out, size_t capacity)
{
    int fd = FAILPOINT(proc_read, proc_open(pid, name), -1);
    ssize_t got = 0;
    size_t length = 0;
    while (fd >= 0 && length < capacity && (got = read(fd, out + length, capacity - length)) > 0)
        length += (size_t)got;
    if (fd >= 0)
        close(fd);
    return length;
}

/* What follows the name in /proc/PID/stat, in text; NULL: no such process. */
static const char *read_behind_name(uint32_t pid, char *text, size_t capacity)
{
    size_t length = proc_read(pid, "stat", text, capacity - 1);
    text[length] = 0;
    char *name_end = strrchr(text, ')');
    return name_end ? name_end + 1 : NULL;
}

/* Reads the state and the parent's pid. */
static bool read_stat(uint32_t pid, char *state, uint32_t *parent)
{
    char text[512];
    const char *rest = read_behind_name(pid, text, sizeof text);
    return rest && sscanf(rest, " %c %u", state, parent) == 2;
}

uint64_t proc_started(uint32_t pid)
{
    char text[512];
    const char *rest = read_behind_name(pid, text, sizeof text);
    unsigned long long ticks = 0;
    for (unsigned field = 3; rest && field < 22; field++)
        rest = strchr(rest + 1, ' ');
    return rest && sscanf(rest, " %llu", &ticks) == 1 ? ticks : 0;
}

char proc_state(uint32_t pid)
{
    char state;
    uint32_t parent;
    return read_stat(pid, &state, &parent) ? state : 0;
}

uint32_t proc_parent(uint32_t pid)
{
    char state;
    uint32_t parent;
    return read_stat(pid, &state, &parent) ? parent : 0;
}

size_t proc_thread_name(uint32_t pid, uint32_t tid, char *out, size_t capacity)
{
    char file[32];
    snprintf(file, sizeof file, "task/%u/comm", tid);
    size_t length = proc_read(pid, file, out, capacity);
    return length && out[length - 1] == '\n' ? length - 1 : length;
}

bool proc_calls_itself(uint32_t pid, uint32_t own)
{
    char text[4096];
    size_t length = proc_read(pid, "status", text, sizeof text - 1);
    text[length] = 0;
    char *line = strstr(text, "\nNSpid:"), *end = line ? strchr(line + 1, '\n') : NULL;
    if (!end)
        return false;
    *end = 0;
    char *last = strrchr(line, '\t');
    return last && strtoul(last + 1, NULL, 10) == own;
}

struct proc_image proc_image(uint32_t pid)
{
    struct proc_image image = {0};
    char path[64], executable[4096],
        *command = FAILPOINT(command_memory, malloc(COMMAND_BYTES), NULL);
    snprintf(path, sizeof path, "/proc/%u/exe", pid);
    ssize_t length = readlink(path, executable, sizeof executable - 1);
    if (length > 0)
        image.executable = strndup(executable, (size_t)length);
    if (command)
        image.command_bytes = proc_read(pid, "cmdline", command, COMMAND_BYTES - 1);
    if (image.command_bytes) {
        command[image.command_bytes] = 0;
        char *fitting = FAILPOINT(command_fit, realloc(command, image.command_bytes + 1), NULL);
        image.command = fitting ? fitting : command;
    } else {
        free(command);
    }
    return image;
}

void proc_image_inherit(struct proc_image *image, const struct proc_image *parent)
{
    if (!image->command && parent->command) {
        image->command = malloc(parent->command_bytes + 1);
        image->command_bytes = image->command ? parent->command_bytes : 0;
        if (image->command)
            memcpy(image->command, parent->command, parent->command_bytes + 1);
    }
    if (!image->executable && parent->executable)
        image->executable = strdup(parent->executable);
}

void proc_image_release(struct proc_image *image)
{
    free(image->command);
    free(image->executable);
    *image = (struct proc_image){0};
}
