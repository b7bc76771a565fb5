/* From a code address to a file of the process, by /proc/PID/maps and under /proc/PID/root
 * (hidden.h). A process that is gone has neither: its mapping stays unmarked. */
#define _GNU_SOURCE
#include "recorder/collector/hidden.h"
#include "recorder/collector/proc.h"
#include "recorder/collector/signature.h"
#include "recorder/failpoint.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VALID_NS  UINT64_C(1000000000)
#define LINES_MAX 65536

struct mapped_file {
    uint64_t offset, inode; /* of the code in the file; the file's own */
    char path[PATH_MAX];
};

/* Does this line of maps tell of the file that a code address is in? */
static bool is_of(const char *line, uint64_t code, struct mapped_file *out)
{
    unsigned long from, to, offset, inode;
    int path = 0;
    if (sscanf(line, "%lx-%lx %*s %lx %*s %lu %n", &from, &to, &offset, &inode, &path) != 4 ||
        code < from || code >= to || line[path] != '/')
        return false;
    out->offset = code - from + offset;
    out->inode = inode;
    snprintf(out->path, sizeof out->path, "%s", line + path);
    out->path[strcspn(out->path, "\n")] = 0;
    return true;
}

static bool find_file(uint32_t pid, uint64_t code, struct mapped_file *out)
{
    char line[PATH_MAX + 256];
    int fd = FAILPOINT(hidden_maps, proc_open(pid, "maps"), -1);
    FILE *maps = fd < 0 ? NULL : fdopen(fd, "r");
    bool found = false;
    for (unsigned i = 0; maps && !found && i < LINES_MAX && fgets(line, sizeof line, maps); i++)
        found = is_of(line, code, out);
    if (maps)
        fclose(maps);
    else if (fd >= 0)
        close(fd);
    return found;
}

/* The file as the process sees it, if it is still the one that was mapped; else -1. */
static int open_mapped(uint32_t pid, const struct mapped_file *file)
{
    char path[PATH_MAX + 32];
    struct stat st;
    snprintf(path, sizeof path, "/proc/%u/root%s", pid, file->path);
    int fd = FAILPOINT(hidden_open, open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), -1);
    if (fd < 0 || (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_ino == file->inode))
        return fd;
    close(fd);
    return -1;
}

/* The frame that stands for what nobody sees. */
static uint32_t name_it(struct names *names, enum allocator allocator, const char *path)
{
    static const char *const texts[] = {[ALLOCATOR_IN_MIMALLOC] = "mimalloc (inside unknown)",
                                        [ALLOCATOR_IN_JEMALLOC] = "jemalloc (inside unknown)",
                                        [ALLOCATOR_IN_HIDDEN] = "an allocator (inside unknown)"};
    return names_native(names, texts[allocator], path);
}

static void look(struct hidden_place *place, struct names *names, uint32_t pid)
{
    struct mapped_file file;
    place->function = FUNCTION_UNKNOWN;
    place->allocator = ALLOCATOR_MMAP;
    int fd = find_file(pid, place->code, &file) ? open_mapped(pid, &file) : -1;
    if (fd < 0)
        return;
    place->allocator = (uint8_t)signature_of(fd, file.offset);
    if (place->allocator != ALLOCATOR_MMAP)
        place->function = name_it(names, place->allocator, file.path);
    close(fd);
}

void hidden_mark(struct hidden *h, struct names *names, uint32_t pid, uint64_t code,
                 uint64_t now_ns, struct record *map)
{
    struct hidden_place *place = &h->places[(code >> 2) % HIDDEN_PLACES];
    if (!code || (map->map.kind != MAP_KIND_RESERVED && map->map.kind != MAP_KIND_NORESERVE))
        return;
    if (place->code != code || now_ns - place->looked_ns >= VALID_NS) {
        place->code = code;
        place->looked_ns = now_ns;
        look(place, names, pid);
    }
    if (place->function == FUNCTION_UNKNOWN)
        return;
    map->map.allocator = place->allocator;
    if (map->map.stack != STACK_UNKNOWN)
        map->map.stack = names_stack(names, map->map.stack, place->function, 0);
}
