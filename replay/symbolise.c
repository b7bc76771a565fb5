/* From an offset to its frames (symbolise.h): the file is opened and compared, then symbol tables
 * and debug information are each read once for all offsets. Where both name a function, the symbol
 * is taken, since it is there on machines without debug information, too; but not one of a part of
 * a function ("f.cold", "f.constprop.0"), which only debug information can tell what it is part of.
 */
#include "replay/symbolise.h"

#include "format/error.h"
#include "replay/demangle.h"
#include "replay/elf_symbols.h"
#include "replay/libdw.h"
#include "replay/scopes.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BUILD_ID_MAX_BYTES 64
#define PAGE_BYTES         UINT64_C(4096)
#define DEBUGINFOD_SECONDS 90 /* without a word, as debuginfod_find_debuginfo(3) has it */

/* An open file and what was read of it. */
struct module_file {
    Dwfl *session;
    Dwfl_Module *module;
    uint64_t first_address; /* where an offset of 0 lies, in the file's own addresses */
    struct elf_symbols symbols;
    struct scopes scopes;
    struct scope_place *places;
};

static int no_file(Dwfl_Module *module, void **user, const char *name, Dwarf_Addr base, char **path,
                   Elf **elf)
{
    (void)module, (void)user, (void)name, (void)base, (void)path, (void)elf;
    return -1;
}

static uint64_t now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec;
}

/* How long debuginfod waits for an answer: the user's word, or its own rule. */
static uint64_t patience_seconds(void)
{
    const char *told = getenv("DEBUGINFOD_TIMEOUT");
    long seconds = told ? atol(told) : 0;
    return seconds > 0 ? (uint64_t)seconds : DEBUGINFOD_SECONDS;
}

/* As libdw finds it; but a server that does not answer is waited for once, not for each module. */
static int find_debug_file(Dwfl_Module *module, void **user, const char *name, Dwarf_Addr base,
                           const char *path, const char *link, GElf_Word crc, char **found)
{
    uint64_t start = now_seconds();
    int fd = libdw.dwfl_standard_find_debuginfo(module, user, name, base, path, link, crc, found);
    if (fd < 0 && now_seconds() - start >= patience_seconds())
        unsetenv("DEBUGINFOD_URLS");
    return fd;
}

/* A regular file's descriptor, or -1. Nothing is waited for, no device is woken. */
static int open_regular(const char *path, struct stat *st)
{
    if (path[0] != '/' || stat(path, st) || !S_ISREG(st->st_mode))
        return -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd >= 0 && (fstat(fd, st) || !S_ISREG(st->st_mode))) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static bool younger(const struct stat *st, uint64_t time_ns)
{
    const struct timespec *last = &st->st_mtim, *moved = &st->st_ctim;
    uint64_t seconds = time_ns / 1000000000;
    return (uint64_t)last->tv_sec > seconds || (uint64_t)moved->tv_sec > seconds;
}

static bool id_is(Dwfl_Module *module, const char *wanted)
{
    const unsigned char *bytes;
    GElf_Addr at;
    char text[2 * BUILD_ID_MAX_BYTES + 1] = "";
    int count = libdw.dwfl_module_build_id(module, &bytes, &at);
    for (int i = 0; i < count && i < BUILD_ID_MAX_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    return count > 0 && !strcmp(text, wanted);
}

/* Offsets are from the first page that the loader maps. */
static bool find_first_address(struct module_file *m)
{
    GElf_Addr bias;
    size_t count;
    Elf *elf = libdw.dwfl_module_getelf(m->module, &bias);
    if (!elf || libdw.elf_getphdrnum(elf, &count))
        return false;
    for (size_t i = 0; i < count && i < INT32_MAX; i++) {
        GElf_Phdr header;
        if (libdw.gelf_getphdr(elf, (int)i, &header) && header.p_type == PT_LOAD) {
            m->first_address = (header.p_vaddr & -PAGE_BYTES) + bias;
            return true;
        }
    }
    return false;
}

static void module_close(struct module_file *m)
{
    elf_symbols_release(&m->symbols);
    scopes_release(&m->scopes);
    free(m->places);
    if (m->session)
        libdw.dwfl_end(m->session);
    *m = (struct module_file){0};
}

/* Gives the file to libdw. It takes the descriptor where it succeeds. */
static bool report(struct module_file *m, const char *path, int fd)
{
    static Dwfl_Callbacks callbacks = {.find_elf = no_file};
    callbacks.find_debuginfo = find_debug_file;
    m->session = libdw.dwfl_begin(&callbacks);
    if (m->session) {
        libdw.dwfl_report_begin(m->session);
        m->module = libdw.dwfl_report_elf(m->session, path, path, fd, 0, true);
        libdw.dwfl_report_end(m->session, 0, 0);
    }
    return m->module != 0;
}

/* One file that may be the module, for a build id or none. */
static enum symbolise_status open_as(struct module_file *m, const char *path,
                                     const struct symbolise_ask *ask)
{
    struct stat st;
    int fd = open_regular(path, &st);
    if (fd < 0)
        return SYMBOLISE_MISSING;
    if (!report(m, path, fd)) {
        close(fd);
        return SYMBOLISE_NO_ELF;
    }
    if (ask->build_id[0] ? !id_is(m->module, ask->build_id) : younger(&st, ask->recorded_at_ns))
        return ask->build_id[0] ? SYMBOLISE_OTHER_BUILD : SYMBOLISE_CHANGED;
    return find_first_address(m) ? SYMBOLISE_READ : SYMBOLISE_NO_ELF;
}

/* The file itself, or its debug file where that alone is installed: it has the same addresses. */
static enum symbolise_status module_open(struct module_file *m, const struct symbolise_ask *ask)
{
    char debug[2 * BUILD_ID_MAX_BYTES + 64];
    enum symbolise_status status = open_as(m, ask->path, ask);
    if (status == SYMBOLISE_READ || strlen(ask->build_id) < 4 ||
        strspn(ask->build_id, "0123456789abcdef") != strlen(ask->build_id) ||
        strlen(ask->build_id) > 2 * BUILD_ID_MAX_BYTES)
        return status;
    struct module_file other = {0};
    snprintf(debug, sizeof debug, "/usr/lib/debug/.build-id/%.2s/%s.debug", ask->build_id,
             ask->build_id + 2);
    if (open_as(&other, debug, ask) != SYMBOLISE_READ) {
        module_close(&other);
        return status;
    }
    module_close(m);
    *m = other;
    return SYMBOLISE_READ;
}

static int read_names(struct module_file *m, const struct symbolise_ask *ask)
{
    GElf_Addr bias = 0;
    if (elf_symbols_read(&m->symbols, m->module) ||
        !(m->places = calloc(ask->count + 1ul, sizeof *m->places)))
        return -ERR_NOMEM;
    Dwarf *debug = libdw.dwfl_module_getdwarf(m->module, &bias);
    for (uint32_t i = 0; i < ask->count; i++)
        m->places[i].address = m->first_address + ask->offsets[i] - bias;
    return debug ? scopes_read(&m->scopes, debug, m->places, ask->count) : 0;
}

static const char *best_name(const char *symbol, const char *scope)
{
    if (!symbol || (scope && strchr(symbol, '.')))
        return scope;
    return symbol;
}

_Static_assert(SCOPES_MAX_DEPTH <= NAMES_MAX_FRAMES, "all frames of a place are told");

/* Room for the texts of one place's frames. */
struct answer_texts {
    char names[SCOPES_MAX_DEPTH][DEMANGLE_MAX_BYTES];
    char files[SCOPES_MAX_DEPTH][PATH_MAX];
};

/* A file as the compiler knew it, with the folder in front that it is relative to. */
static struct text whole_path(char *out, const char *folder, const char *file)
{
    bool joined = folder && folder[0] == '/' && file[0] && file[0] != '/' && file[0] != '<';
    while (joined && !strncmp(file, "./", 2))
        file += 2;
    if (snprintf(out, PATH_MAX, "%s%s%s", joined ? folder : "", joined ? "/" : "", file) < 0)
        out[0] = 0;
    return (struct text){out, (uint32_t)strlen(out)};
}

/* The frames of one place in `out`, innermost last. Returns how many. */
static uint32_t frames_of(const struct module_file *m, const struct scope_place *place,
                          const char *symbol, struct names_frame *out, struct answer_texts *texts)
{
    uint32_t at = place->innermost, count = place->depth ? place->depth : 1;
    const char *file = place->file;
    uint32_t line = place->line;
    for (uint32_t i = count; i-- > 0;) {
        const struct scope *scope = at ? &m->scopes.items[at - 1] : 0;
        const char *name = scope ? scope->function : 0;
        name = i ? name : best_name(symbol, name);
        if (!name && count == 1)
            return 0;
        uint32_t length = (uint32_t)demangle(name ? name : "", texts->names[i]);
        out[i] = (struct names_frame){{texts->names[i], length},
                                      whole_path(texts->files[i], place->folder, file ? file : ""),
                                      file ? line : 0};
        file = scope ? scope->call_file : 0;
        line = scope ? scope->call_line : 0;
        at = scope ? scope->outer : 0;
    }
    return count;
}

static int answer(const struct module_file *m, const struct symbolise_ask *ask,
                  symbolise_take *take, void *context)
{
    struct names_frame frames[SCOPES_MAX_DEPTH];
    struct answer_texts *texts = malloc(sizeof *texts);
    int rc = texts ? 0 : -ERR_NOMEM;
    for (uint32_t i = 0; !rc && i < ask->count; i++) {
        const struct scope_place *place = &m->places[i];
        const char *symbol = elf_symbols_find(&m->symbols, m->first_address + ask->offsets[i]);
        uint32_t count = frames_of(m, place, symbol, frames, texts);
        if (count)
            rc = take(context, i, frames, count);
    }
    free(texts);
    return rc;
}

int symbolise_module(const struct symbolise_ask *ask, symbolise_take *take, void *context,
                     enum symbolise_status *status)
{
    struct module_file m = {0};
    *status = libdw_open() ? module_open(&m, ask) : SYMBOLISE_NO_LIBRARY;
    int rc = *status == SYMBOLISE_READ ? read_names(&m, ask) : 0;
    if (!rc && *status == SYMBOLISE_READ)
        rc = answer(&m, ask, take, context);
    module_close(&m);
    return rc;
}
