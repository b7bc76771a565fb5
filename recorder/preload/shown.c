/* Our own .dynsym, found through our own _DYNAMIC and searched by DT_GNU_HASH, as the loader does
 * (elf(5)). A symbol of value 0 is no definition to glibc's loader: do_lookup_x passes it over. */
#define _GNU_SOURCE
#include "recorder/preload/shown.h"
#include "recorder/preload/process.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

extern HIDDEN Elf64_Dyn _DYNAMIC[];

struct table {
    Elf64_Sym *symbols;
    const char *names;
    const uint32_t *hash; /* bucket count, first symbol, words of the filter, shift; then these */
};

static struct table table_of(const Elf64_Dyn *dynamic)
{
    struct table table = {0};
    for (const Elf64_Dyn *entry = dynamic; entry->d_tag != DT_NULL; entry++) {
        if (entry->d_tag == DT_SYMTAB)
            table.symbols = (Elf64_Sym *)entry->d_un.d_ptr;
        else if (entry->d_tag == DT_STRTAB)
            table.names = (const char *)entry->d_un.d_ptr;
        else if (entry->d_tag == DT_GNU_HASH)
            table.hash = (const uint32_t *)entry->d_un.d_ptr;
    }
    return table;
}

static uint32_t hash_of(const char *name)
{
    uint32_t hash = 5381;
    for (; *name; name++)
        hash = hash * 33 + (uint8_t)*name;
    return hash;
}

static Elf64_Sym *find(const struct table *table, const char *name)
{
    uint32_t hash = hash_of(name), buckets = table->hash[0], first = table->hash[1];
    const uint32_t *bucket = table->hash + 4 + 2 * table->hash[2], *chain = bucket + buckets;
    uint32_t at = bucket[hash % buckets];
    if (at < first)
        return NULL;
    for (;; at++) {
        if ((chain[at - first] | 1) == (hash | 1) &&
            !strcmp(table->names + table->symbols[at].st_name, name))
            return &table->symbols[at];
        if (chain[at - first] & 1)
            return NULL;
    }
}

static bool protect(const void *from, const void *to, int protection)
{
    uintptr_t page = (uintptr_t)from & ~(uintptr_t)4095;
    return syscall(SYS_mprotect, page, (uintptr_t)to - page, protection) == 0;
}

static void keep(const char *wanted, const char *const *names, unsigned count, bool *kept)
{
    if (*wanted != 'm' && *wanted != 'j' && *wanted != '_')
        return;
    for (unsigned i = 0; i < count; i++)
        if (!strcmp(wanted, names[i]))
            kept[i] = true;
}

/* Keeps what an object asks for, which stands before the first symbol that its DT_GNU_HASH knows.
 * The vdso's table isn't relocated, and it asks for nothing. */
static void keep_asked(const struct link_map *object, const char *const *names, unsigned count,
                       bool *kept)
{
    struct table table = table_of(object->l_ld);
    if (!table.names || !table.hash || (uintptr_t)table.symbols < object->l_addr)
        return;
    for (uint32_t at = 1; at < table.hash[1]; at++)
        keep(table.names + table.symbols[at].st_name, names, count, kept);
}

static bool keep_all_asked(const char *const *names, unsigned count, bool *kept)
{
    Dl_info info;
    struct link_map *object = NULL;
    if (!dladdr1(_DYNAMIC, &info, (void **)&object, RTLD_DL_LINKMAP))
        return false;
    while (object->l_prev)
        object = object->l_prev;
    for (; object; object = object->l_next)
        keep_asked(object, names, count, kept);
    return true;
}

bool shown_hide(const char *const *names, unsigned count, bool *kept)
{
    struct table table = table_of(_DYNAMIC);
    Elf64_Sym *first = NULL, *last = NULL;
    if (!table.symbols || !table.names || !table.hash || !keep_all_asked(names, count, kept))
        return false;
    for (unsigned i = 0; i < count; i++) {
        Elf64_Sym *symbol = kept[i] ? NULL : find(&table, names[i]);
        first = symbol && (!first || symbol < first) ? symbol : first;
        last = symbol && (!last || symbol > last) ? symbol : last;
    }
    if (!first || !protect(first, last + 1, PROT_READ | PROT_WRITE))
        return false;
    for (unsigned i = 0; i < count; i++) {
        Elf64_Sym *symbol = kept[i] ? NULL : find(&table, names[i]);
        if (symbol)
            __atomic_store_n(&symbol->st_value, 0, __ATOMIC_RELAXED);
    }
    protect(first, last + 1, PROT_READ);
    return true;
}
