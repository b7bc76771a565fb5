/* Reading just enough of an ELF file (elf.h). Every offset comes from the file and is only ever
 * given to pread. */
#define _GNU_SOURCE
#include "recorder/elf.h"

#include <elf.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HEADERS_MAX  64
#define DYNAMIC_MAX  256
#define NEEDED_MAX   64
#define SCRIPT_DEPTH 4

static bool read_at(int fd, void *out, size_t bytes, uint64_t offset)
{
    return offset <= INT64_MAX && syscall(SYS_pread64, fd, out, bytes, offset) == (long)bytes;
}

static size_t read_text(int fd, char *out, size_t capacity, uint64_t offset)
{
    ssize_t got = offset <= INT64_MAX ? syscall(SYS_pread64, fd, out, capacity - 1, offset) : -1;
    size_t length = got > 0 ? (size_t)got : 0;
    out[length] = 0;
    return strlen(out);
}

static uint64_t file_offset(const Elf64_Phdr *headers, unsigned count, uint64_t address)
{
    for (unsigned i = 0; i < count; i++)
        if (headers[i].p_type == PT_LOAD && address - headers[i].p_vaddr < headers[i].p_filesz)
            return headers[i].p_offset + (address - headers[i].p_vaddr);
    return UINT64_MAX;
}

/* Is a library's file name that of a runtime with an allocator of its own? */
static bool is_sanitizer(const char *name)
{
    static const char *const names[] = {"libasan",   "libtsan",          "liblsan",
                                        "libhwasan", "libclang_rt.asan", "libclang_rt.tsan"};
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!strncmp(name, names[i], strlen(names[i])))
            return true;
    return false;
}

bool preload_sanitizes(const char *value)
{
    while (*value) {
        size_t length = strcspn(value, ": ");
        const char *name = value;
        for (size_t i = 0; i < length; i++)
            if (value[i] == '/')
                name = value + i + 1;
        if (is_sanitizer(name))
            return true;
        value += length;
        value += strspn(value, ": ");
    }
    return false;
}

/* Does a DT_NEEDED entry name a sanitizer's runtime? */
static bool needs_sanitizer(int fd, const Elf64_Phdr *headers, unsigned count,
                            const Elf64_Phdr *dynamic)
{
    Elf64_Dyn entries[DYNAMIC_MAX];
    uint64_t strings = UINT64_MAX;
    size_t bytes = dynamic->p_filesz < sizeof entries ? dynamic->p_filesz : sizeof entries;
    if (!read_at(fd, entries, bytes, dynamic->p_offset))
        return false;
    unsigned total = (unsigned)(bytes / sizeof entries[0]);
    for (unsigned i = 0; i < total && entries[i].d_tag != DT_NULL; i++)
        if (entries[i].d_tag == DT_STRTAB)
            strings = file_offset(headers, count, entries[i].d_un.d_ptr);
    for (unsigned i = 0, needed = 0;
         i < total && needed < NEEDED_MAX && entries[i].d_tag != DT_NULL; i++) {
        char name[32];
        if (entries[i].d_tag != DT_NEEDED)
            continue;
        needed++;
        read_text(fd, name, sizeof name, strings + entries[i].d_un.d_val);
        if (is_sanitizer(name))
            return true;
    }
    return false;
}

static bool is_glibc_loader(const char *path)
{
#if defined(__x86_64__)
    return strstr(path, "ld-linux-x86-64.so.2") != NULL;
#else
    return strstr(path, "ld-linux-aarch64.so.1") != NULL;
#endif
}

static enum program_kind elf_kind(int fd, const Elf64_Ehdr *elf)
{
#if defined(__x86_64__)
    const unsigned machine = EM_X86_64;
#else
    const unsigned machine = EM_AARCH64;
#endif
    Elf64_Phdr headers[HEADERS_MAX];
    const Elf64_Phdr *interp = NULL, *dynamic = NULL;
    unsigned count = elf->e_phnum < HEADERS_MAX ? elf->e_phnum : HEADERS_MAX;
    if (elf->e_ident[EI_CLASS] != ELFCLASS64 || elf->e_machine != machine)
        return PROGRAM_OTHER_ARCH;
    if (elf->e_phentsize != sizeof headers[0] ||
        !read_at(fd, headers, count * sizeof headers[0], elf->e_phoff))
        return PROGRAM_UNKNOWN;
    for (unsigned i = 0; i < count; i++) {
        if (headers[i].p_type == PT_INTERP)
            interp = &headers[i];
        if (headers[i].p_type == PT_DYNAMIC)
            dynamic = &headers[i];
    }
    if (!interp)
        return PROGRAM_STATIC;
    char loader[128];
    read_text(fd, loader, sizeof loader, interp->p_offset);
    if (!is_glibc_loader(loader))
        return PROGRAM_OTHER_LIBC;
    return dynamic && needs_sanitizer(fd, headers, count, dynamic) ? PROGRAM_SANITIZED
                                                                   : PROGRAM_CARRIES;
}

static enum program_kind script_kind(int fd, char *interpreter, size_t capacity)
{
    char line[256];
    read_text(fd, line, sizeof line, 2);
    char *path = line + strspn(line, " \t");
    path[strcspn(path, " \t\r\n")] = 0;
    if (interpreter && strlen(path) < capacity)
        strcpy(interpreter, path);
    return *path ? PROGRAM_SCRIPT : PROGRAM_UNKNOWN;
}

enum program_kind program_kind(const char *path, char *interpreter, size_t capacity)
{
    struct stat st;
    Elf64_Ehdr elf;
    if (interpreter && capacity)
        *interpreter = 0;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
    if (fd < 0)
        return PROGRAM_MISSING;
    enum program_kind kind = PROGRAM_UNKNOWN;
    memset(&elf, 0, sizeof elf);
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        kind = PROGRAM_MISSING;
    else if (read_at(fd, &elf, 2, 0) && !memcmp(&elf, "#!", 2))
        kind = script_kind(fd, interpreter, capacity);
    else if (read_at(fd, &elf, sizeof elf, 0) && !memcmp(elf.e_ident, ELFMAG, SELFMAG))
        kind = elf_kind(fd, &elf);
    if (kind == PROGRAM_CARRIES && st.st_mode & (S_ISUID | S_ISGID))
        kind = PROGRAM_SET_ID;
    syscall(SYS_close, fd);
    return kind;
}

bool program_carries(const char *path)
{
    char name[2][256];
    for (int depth = 0; depth < SCRIPT_DEPTH; depth++) {
        char *interpreter = name[depth & 1];
        enum program_kind kind = program_kind(path, interpreter, sizeof name[0]);
        if (kind != PROGRAM_SCRIPT)
            return kind == PROGRAM_CARRIES || kind == PROGRAM_SET_ID || kind == PROGRAM_STATIC ||
                   kind == PROGRAM_UNKNOWN || kind == PROGRAM_MISSING;
        path = interpreter;
    }
    return true;
}
