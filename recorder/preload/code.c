/* The map from code objects to ids, see code.h.
 *
 * Open addressing by address; an entry's key is 0 (never used), 1 (dead) or the address, and its id
 * is written before its key. Who looks an address up keeps the code object alive by a frame of its
 * own, so that entry cannot die under him; other entries may.
 *
 * Deaths take no lock. A death may therefore meet a rebuild that has already copied the entry: the
 * rebuild looks, after it has published the new table, which of its entries have died in the old
 * one; and the dying looks, after he has removed his entry, whether a table was published
 * meanwhile, and then removes it there too. One of the two sees the other.
 *
 * Two tables of a size take turns, for a rebuild that only sweeps dead entries out; when the living
 * need it the size doubles, and the old ones stay mapped (a reader may be in them).
 * Not here: what a code object contains is read by pystr.c and layout.def's offsets. */
#include "recorder/preload/code.h"
#include "recorder/failpoint.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

#include "recorder/preload/define.h"
#include "recorder/preload/intern.h"
#include "recorder/preload/interp.h"
#include "recorder/preload/memory.h"
#include "recorder/preload/pages.h"
#include "recorder/preload/pystr.h"

enum { KEY_FREE = 0, KEY_DEAD = 1 };

struct entry {
    _Atomic uintptr_t key;
    _Atomic uint32_t id;
};

struct map {
    size_t mask;      /* entries - 1 */
    struct map *twin; /* the other table of this size, NULL until it is needed */
    struct entry entries[];
};

enum { MAP_ENTRIES_MIN = 1 << 11 };

static _Atomic(struct map *) map_now;
static _Atomic uint32_t map_version; /* moves each time that map_now changes */
static size_t map_used;              /* entries of map_now that were ever used; under the lock */
static uint32_t last_id;             /* under the lock */
_Atomic uint64_t code_deaths = 1;    /* the epoch; 0 is no walker's */

static void (*original_dealloc)(void *);

/* ---- the map */

static size_t key_hash(uintptr_t key)
{
    uint64_t h = (key >> 4) * 0x9E3779B97F4A7C15u;
    return (size_t)(h ^ h >> 32);
}

/* The entry with a key, or NULL. There is always a free entry to end at. */
static struct entry *map_find(struct map *map, uintptr_t key)
{
    for (size_t i = key_hash(key) & map->mask;; i = (i + 1) & map->mask) {
        uintptr_t found = atomic_load_explicit(&map->entries[i].key, memory_order_acquire);
        if (found == key)
            return &map->entries[i];
        if (found == KEY_FREE)
            return NULL;
    }
}

/* Put in a key that is not there; under the lock. Returns whether a fresh entry was used up. */
static bool map_put(struct map *map, uintptr_t key, uint32_t id)
{
    size_t i = key_hash(key) & map->mask;
    while (atomic_load(&map->entries[i].key) > KEY_DEAD)
        i = (i + 1) & map->mask;
    bool fresh = atomic_load(&map->entries[i].key) == KEY_FREE;
    atomic_store_explicit(&map->entries[i].id, id, memory_order_relaxed);
    atomic_store_explicit(&map->entries[i].key, key, memory_order_release);
    return fresh;
}

/* The id in an entry that map_find gave for key, or 0: the table was an old one, swept meanwhile.
 * Pairs with the fence in map_successor: who reads an id of the next filling reads no old key. */
static uint32_t entry_id(struct entry *entry, uintptr_t key)
{
    uint32_t id = atomic_load_explicit(&entry->id, memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&entry->key, memory_order_relaxed) == key ? id : 0;
}

/* Returns whether the key was there. */
static bool map_remove(struct map *map, uintptr_t key)
{
    struct entry *entry = map_find(map, key);
    return entry && atomic_compare_exchange_strong(&entry->key, &key, KEY_DEAD);
}

static size_t map_living(const struct map *map)
{
    size_t n = 0;
    for (size_t i = 0; map && i <= map->mask; i++)
        n += atomic_load(&map->entries[i].key) > KEY_DEAD;
    return n;
}

static struct map *map_new(size_t entries)
{
    struct map *map =
        FAILPOINT(codes_memory, pages_map(sizeof *map + entries * sizeof map->entries[0]), NULL);
    if (map)
        map->mask = entries - 1;
    return map;
}

/* An empty table for what lives in old: its twin if that is at most half full then. */
static struct map *map_successor(struct map *old)
{
    if (!old)
        return map_new(MAP_ENTRIES_MIN);
    size_t entries = old->mask + 1;
    if (map_living(old) > entries / 2)
        return map_new(2 * entries);
    if (!old->twin) {
        old->twin = map_new(entries);
        if (old->twin)
            old->twin->twin = old;
    } else {
        for (size_t i = 0; i < entries; i++)
            atomic_store_explicit(&old->twin->entries[i].key, KEY_FREE, memory_order_relaxed);
        atomic_thread_fence(memory_order_release);
    }
    return old->twin;
}

/* Move to a table with room; under the lock. */
static bool map_rebuild(void)
{
    struct map *old = atomic_load(&map_now);
    struct map *map = map_successor(old);
    if (!map)
        return false;
    map_used = 0;
    for (size_t i = 0; old && i <= old->mask; i++) {
        uintptr_t key = atomic_load(&old->entries[i].key);
        if (key > KEY_DEAD)
            map_used += map_put(map, key, atomic_load(&old->entries[i].id));
    }
    atomic_store(&map_now, map);
    atomic_fetch_add(&map_version, 1);
    for (size_t i = 0; old && i <= map->mask; i++) {
        uintptr_t key = atomic_load(&map->entries[i].key);
        if (key > KEY_DEAD && !map_find(old, key))
            map_remove(map, key);
    }
    return true;
}

static struct map *map_with_room(void)
{
    struct map *map = atomic_load(&map_now);
    if (map && map_used < map->mask - map->mask / 4)
        return map;
    return map_rebuild() ? atomic_load(&map_now) : NULL;
}

/* ---- deaths */

static void forget(uintptr_t code)
{
    bool known = false;
    uint32_t version;
    do {
        version = atomic_load(&map_version);
        struct map *map = atomic_load(&map_now);
        if (map && map_remove(map, code))
            known = true;
    } while (atomic_load(&map_version) != version);
    if (known)
        atomic_fetch_add(&code_deaths, 1);
}

/* PyCode_Type.tp_dealloc. Runs wherever a code object's last reference goes away. */
static void code_dealloc(void *code)
{
    forget((uintptr_t)code);
    original_dealloc(code);
}

void code_watch_deaths(uintptr_t code_type)
{
    if (original_dealloc)
        return;
    uintptr_t slot = code_type + (uintptr_t)interp.layout.type_dealloc;
    original_dealloc = (void (*)(void *))memory_word(slot);
    __atomic_store_n((uintptr_t *)slot, (uintptr_t)code_dealloc, __ATOMIC_SEQ_CST);
}

/* ---- what a code object says about itself */

static uintptr_t member(uintptr_t object, int32_t offset)
{
    return memory_word(object + (uintptr_t)offset);
}

static bool is_a(uintptr_t object, uintptr_t type)
{
    return object && member(object, interp.layout.object_type) == type;
}

/* Write a str member to a buffer of CODE_TEXT_MAX_BYTES. */
static uint32_t text_of(uintptr_t code, int32_t offset, char *out)
{
    uintptr_t text = member(code, offset);
    if (!is_a(text, interp.text_type))
        return 0;
    return (uint32_t)pystr_utf8(&interp.layout, text, out, CODE_TEXT_MAX_BYTES);
}

/* Describe a new code object and hand it out; under the lock, which guards the buffers. */
static bool code_define(uint32_t id, uintptr_t code)
{
    static char filename[CODE_TEXT_MAX_BYTES], name[CODE_TEXT_MAX_BYTES];
    const struct layout *l = &interp.layout;
    struct code_facts facts = {
        .filename = filename,
        .name = name,
        .first_line = memory_i32(code + (uintptr_t)l->code_first_line),
        .table_kind = LINE_TABLE_NONE,
        .minor = (uint8_t)interp.minor,
    };
    facts.filename_bytes = text_of(code, l->code_filename, filename);
    if (l->code_qualname != LAYOUT_NONE)
        facts.name_bytes = text_of(code, l->code_qualname, name);
    if (!facts.name_bytes)
        facts.name_bytes = text_of(code, l->code_name, name);
    uintptr_t table = member(code, l->code_table);
    if (is_a(table, interp.bytes_type) && member(table, l->object_size) <= CODE_TABLE_MAX_BYTES) {
        facts.table = (const uint8_t *)(table + (uintptr_t)l->bytes_data);
        facts.table_bytes = (uint32_t)member(table, l->object_size);
        facts.table_kind = (uint8_t)l->table_kind;
    }
    return define_code(id, &facts);
}

/* ---- the whole */

static uint32_t code_intern_locked(uintptr_t code)
{
    struct map *map = map_with_room();
    if (!map)
        return 0;
    struct entry *entry = map_find(map, code);
    if (entry)
        return atomic_load(&entry->id);
    if (!is_a(code, interp.code_type) || !code_define(last_id + 1, code))
        return 0;
    map_used += map_put(map, code, ++last_id);
    return last_id;
}

uint32_t code_intern(uintptr_t code)
{
    struct map *map = atomic_load_explicit(&map_now, memory_order_acquire);
    struct entry *entry = map ? map_find(map, code) : NULL;
    uint32_t id = entry ? entry_id(entry, code) : 0;
    if (id)
        return id;
    int saved_errno = errno;
    if (intern_lock()) {
        id = code_intern_locked(code);
        intern_unlock();
    }
    errno = saved_errno;
    return id;
}
