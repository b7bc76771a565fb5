/* The table of modules (modules.h): open addressing by where a module begins. A module that has
 * gone leaves its entry behind as a dead one; a table that is half full is made anew without them.
 */
#define _GNU_SOURCE
#include "recorder/preload/modules.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>

#include "recorder/failpoint.h"
#include "recorder/preload/define.h"
#include "recorder/preload/pages.h"
#include "recorder/preload/peek.h"
#include "recorder/preload/rules.h"

_Atomic uint64_t modules_retired = 1; /* the epoch; 0 is no list's */

#ifdef MEMREC_NATIVE

extern __typeof__(_dl_find_object) _dl_find_object __attribute__((weak));

/* One loading of one file. Everything but `id` is written before `start` is published. */
struct module {
    _Atomic uintptr_t start; /* 0: free */
    uintptr_t end;
    const void *link_map, *tables;
    _Atomic uint32_t id; /* MODULE_NONE: gone */
};

struct module_table {
    size_t mask;
    struct module modules[];
};

enum { MODULES_MIN = 1 << 9, NOTE_MAX = 64, HEADERS_MAX = 64 };

static _Atomic(struct module_table *) table_now;
static size_t used;      /* entries of table_now; under the lock */
static uint32_t last_id; /* under the lock */

static size_t place_of(const struct module_table *table, uintptr_t start)
{
    return (size_t)(start * UINT64_C(0x9E3779B97F4A7C15) >> 20) & table->mask;
}

/* Is it the loading that the loader tells of? Another one in the very same place, with tables and
 * bookkeeping at the very same addresses, has come after a dlclose, which modules_closed noticed.
 */
static bool is_found(const struct module *m, const struct dl_find_object *found)
{
    return m->end == (uintptr_t)found->dlfo_map_end && m->link_map == found->dlfo_link_map &&
           m->tables == found->dlfo_eh_frame;
}

/* The number of what the loader has found; MODULE_NONE: not known yet. */
static uint32_t known(struct module_table *table, const struct dl_find_object *found)
{
    uintptr_t start = (uintptr_t)found->dlfo_map_start, at;
    for (size_t i = place_of(table, start);; i = (i + 1) & table->mask) {
        struct module *m = &table->modules[i];
        at = atomic_load_explicit(&m->start, memory_order_acquire);
        if (!at)
            return MODULE_NONE;
        uint32_t id = atomic_load_explicit(&m->id, memory_order_relaxed);
        if (at == start && id && is_found(m, found))
            return id;
    }
}

static void put(struct module_table *table, const struct module *module)
{
    uintptr_t start = atomic_load_explicit(&module->start, memory_order_relaxed);
    size_t i = place_of(table, start);
    while (atomic_load_explicit(&table->modules[i].start, memory_order_relaxed))
        i = (i + 1) & table->mask;
    struct module *m = &table->modules[i];
    m->end = module->end;
    m->link_map = module->link_map;
    m->tables = module->tables;
    atomic_store_explicit(&m->id, module->id, memory_order_relaxed);
    atomic_store_explicit(&m->start, start, memory_order_release);
    used++;
}

static struct module_table *grow(struct module_table *old)
{
    size_t living = 0, places = MODULES_MIN;
    for (size_t i = 0; old && i <= old->mask; i++)
        living += old->modules[i].id != MODULE_NONE;
    while (places < 4 * living)
        places *= 2;
    size_t bytes = sizeof(struct module_table) + places * sizeof(struct module);
    struct module_table *table = FAILPOINT(modules_memory, pages_map(bytes), NULL);
    if (!table)
        return NULL;
    table->mask = places - 1;
    used = 0;
    for (size_t i = 0; old && i <= old->mask; i++)
        if (old->modules[i].id != MODULE_NONE)
            put(table, &old->modules[i]);
    atomic_store_explicit(&table_now, table, memory_order_release);
    return table;
}

/* ---- what a module says of itself */

/* The build id among the notes that begin at an address. */
static uint32_t build_id_in(struct glance *look, uintptr_t at, uint64_t bytes, uint8_t *id)
{
    ElfW(Nhdr) note;
    char name[4];
    uintptr_t end = at + bytes;
    while (at + sizeof note <= end && peek(look, at, &note, sizeof note)) {
        uintptr_t text = at + sizeof note, data = text + ((note.n_namesz + 3u) & ~3u);
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && note.n_descsz &&
            note.n_descsz <= MODULE_ID_MAX_BYTES && peek(look, text, name, sizeof name) &&
            memcmp(name, "GNU", 4) == 0 && peek(look, data, id, note.n_descsz))
            return note.n_descsz;
        at = data + ((note.n_descsz + 3u) & ~3u);
    }
    return 0;
}

/* The program headers stand where the file's beginning is mapped. */
static uint32_t build_id(const struct dl_find_object *found, uint8_t *id)
{
    ElfW(Ehdr) head;
    ElfW(Phdr) part;
    struct glance look = {0};
    uintptr_t start = (uintptr_t)found->dlfo_map_start, end = (uintptr_t)found->dlfo_map_end;
    uintptr_t bias = found->dlfo_link_map->l_addr;
    uint32_t bytes = 0;
    if (!peek(&look, start, &head, sizeof head) || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0)
        return 0;
    for (unsigned i = 0; i < head.e_phnum && i < HEADERS_MAX && !bytes; i++) {
        if (!peek(&look, start + head.e_phoff + i * sizeof part, &part, sizeof part))
            return 0;
        uintptr_t at = bias + part.p_vaddr;
        if (part.p_type == PT_NOTE && at >= start && at < end && part.p_memsz <= end - at)
            bytes = build_id_in(&look, at, part.p_memsz, id);
    }
    return bytes;
}

/* Where the file is: absolute as far as that is to be told. Returns its length. */
static uint32_t path_of(const struct dl_find_object *found, char *out, size_t capacity)
{
    const char *name = found->dlfo_link_map->l_name;
    long length = 0;
    if (!name || !*name) { /* the program itself */
        length = syscall(SYS_readlink, "/proc/self/exe", out, capacity);
        return length > 0 ? (uint32_t)length : 0;
    }
    if (*name != '/' && strchr(name, '/')) {
        length = syscall(SYS_getcwd, out, capacity); /* counts the NUL */
        length = length > 0 && out[0] == '/' ? length : 0;
        if (length)
            out[length - 1] = '/';
    }
    size_t rest = strnlen(name, capacity - (size_t)length);
    memcpy(out + length, name, rest);
    return (uint32_t)((size_t)length + rest);
}

static bool tell(uint32_t id, const struct dl_find_object *found)
{
    static char path[CODE_TEXT_MAX_BYTES]; /* under the lock */
    uint8_t build[MODULE_ID_MAX_BYTES];
    uintptr_t start = (uintptr_t)found->dlfo_map_start;
    struct module_facts facts = {
        .start = start, .bytes = (uintptr_t)found->dlfo_map_end - start, .path = path, .id = build};
    facts.path_bytes = path_of(found, path, sizeof path);
    facts.id_bytes = build_id(found, build);
    return define_module(id, &facts);
}

/* ---- the whole */

/* Gone: what was loaded there is no more, or something else is. With the lock held. */
static void retire(struct module *m)
{
    define_module_gone(m->id);
    atomic_store(&m->id, MODULE_NONE);
    rules_retire(m->start, m->end);
    atomic_fetch_add(&modules_retired, 1);
}

/* What overlaps a newly found module has gone without our notice. */
static void retire_under(struct module_table *table, const struct dl_find_object *found)
{
    uintptr_t from = (uintptr_t)found->dlfo_map_start, to = (uintptr_t)found->dlfo_map_end;
    for (size_t i = 0; i <= table->mask; i++) {
        struct module *m = &table->modules[i];
        if (m->id && m->start < to && m->end > from)
            retire(m);
    }
}

static uint32_t meet_locked(const struct dl_find_object *found)
{
    struct module_table *table = atomic_load(&table_now);
    if (!table || used > table->mask / 2)
        table = grow(table);
    if (!table)
        return MODULE_LOST;
    uint32_t id = known(table, found);
    if (id)
        return id;
    retire_under(table, found);
    if (last_id + 1 >= MODULE_LIMIT || !tell(last_id + 1, found))
        return MODULE_LOST;
    struct module module = {.start = (uintptr_t)found->dlfo_map_start,
                            .end = (uintptr_t)found->dlfo_map_end,
                            .link_map = found->dlfo_link_map,
                            .tables = found->dlfo_eh_frame,
                            .id = ++last_id};
    put(table, &module);
    return last_id;
}

uint32_t module_of(uintptr_t address, uintptr_t *start)
{
    struct dl_find_object found;
    if (_dl_find_object((void *)address, &found) != 0)
        return MODULE_NONE;
    *start = (uintptr_t)found.dlfo_map_start;
    struct module_table *table = atomic_load_explicit(&table_now, memory_order_acquire);
    uint32_t id = table ? known(table, &found) : MODULE_NONE;
    if (id)
        return id;
    if (!rules_lock())
        return MODULE_LOST;
    id = meet_locked(&found);
    rules_unlock();
    return id;
}

bool module_is_own(uintptr_t address)
{
    static _Atomic uintptr_t from, to;
    struct dl_find_object found;
    if (!atomic_load_explicit(&to, memory_order_acquire)) {
        if (_dl_find_object((void *)(uintptr_t)module_is_own, &found) != 0)
            return false;
        atomic_store(&from, (uintptr_t)found.dlfo_map_start);
        atomic_store_explicit(&to, (uintptr_t)found.dlfo_map_end, memory_order_release);
    }
    return address >= atomic_load_explicit(&from, memory_order_relaxed) &&
           address < atomic_load_explicit(&to, memory_order_relaxed);
}

void modules_closed(void)
{
    struct module_table *table = atomic_load(&table_now);
    struct dl_find_object found;
    if (!table || !rules_lock())
        return;
    table = atomic_load(&table_now);
    for (size_t i = 0; i <= table->mask; i++) {
        struct module *m = &table->modules[i];
        if (m->id && (_dl_find_object((void *)m->start, &found) != 0 ||
                      (uintptr_t)found.dlfo_map_start != m->start || !is_found(m, &found)))
            retire(m);
    }
    rules_unlock();
}

#else

uint32_t module_of(uintptr_t address, uintptr_t *start)
{
    (void)address;
    (void)start;
    return MODULE_NONE;
}

bool module_is_own(uintptr_t address)
{
    (void)address;
    return false;
}

void modules_closed(void) {}

#endif
