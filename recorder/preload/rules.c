/* The table of rules (rules.h).
 * Invariant: an entry's key never changes; a rule is written before its key is published. */
#define _GNU_SOURCE
#include "recorder/preload/rules.h"

#include "recorder/failpoint.h"
#include "recorder/preload/lock.h"
#include "recorder/preload/pages.h"

enum { ENTRIES_MIN_BITS = 12, ENTRIES_MAX_BITS = 26 };

_Atomic(struct rule_table *) rules_now;
static uint64_t used; /* entries of rules_now; under the lock */
static struct lock lock;

bool rules_lock(void) { return lock_take(&lock); }
void rules_unlock(void) { lock_leave(&lock); }
void rules_lock_reset(void) { lock_reset(&lock); }

/* The entry of a key, or the free one where it belongs. */
static struct rule_entry *entry_of(struct rule_table *table, uint64_t key)
{
    uint64_t i = rule_place(table, key), found;
    while ((found = atomic_load_explicit(&table->entries[i].key, memory_order_relaxed)) != 0 &&
           found != key)
        i = (i + 1) & table->mask;
    return &table->entries[i];
}

static void put(struct rule_table *table, uint64_t key, uint64_t rule)
{
    struct rule_entry *entry = entry_of(table, key);
    atomic_store_explicit(&entry->rule, rule, memory_order_relaxed);
    if (!atomic_load_explicit(&entry->key, memory_order_relaxed)) {
        used++;
        atomic_store_explicit(&entry->key, key, memory_order_release);
    }
}

/* Twice as large a table with what is not retired. */
static struct rule_table *grow(struct rule_table *old)
{
    uint64_t bits = old ? 64 - old->shift + 1 : ENTRIES_MIN_BITS;
    size_t bytes = sizeof *old + ((size_t)sizeof old->entries[0] << bits);
    struct rule_table *table = NULL;
    if (bits <= ENTRIES_MAX_BITS)
        table = FAILPOINT(rules_memory, pages_map(bytes), NULL);
    if (!table)
        return NULL;
    table->shift = 64 - bits;
    table->mask = (UINT64_C(1) << bits) - 1;
    used = 0;
    for (uint64_t i = 0; old && i <= old->mask; i++) {
        uint64_t rule = atomic_load_explicit(&old->entries[i].rule, memory_order_relaxed);
        if (rule)
            put(table, atomic_load_explicit(&old->entries[i].key, memory_order_relaxed), rule);
    }
    atomic_store_explicit(&rules_now, table, memory_order_release);
    return table;
}

/* With the lock held: somebody else may have learned it meanwhile. */
static uint64_t learn_locked(uintptr_t ip, bool exact)
{
    uint64_t key = (uint64_t)ip << 1 | exact;
    struct rule_table *table = atomic_load(&rules_now);
    if (!table || used > table->mask / 2)
        table = grow(table);
    if (!table)
        return RULE_UNKNOWN;
    uint64_t rule = atomic_load(&entry_of(table, key)->rule);
    if (!rule) {
        rule = unwind_learn(ip, exact);
        put(table, key, rule);
    }
    return rule;
}

uint64_t rule_learn(uintptr_t ip, bool exact)
{
    if (!ip || !rules_lock())
        return RULE_UNKNOWN;
    uint64_t rule = learn_locked(ip, exact);
    rules_unlock();
    return rule;
}

void rules_retire(uintptr_t from, uintptr_t to)
{
    struct rule_table *table = atomic_load(&rules_now);
    for (uint64_t i = 0; table && i <= table->mask; i++) {
        uintptr_t ip = (uintptr_t)(atomic_load(&table->entries[i].key) >> 1);
        if (ip >= from && ip <= to)
            atomic_store(&table->entries[i].rule, RULE_UNKNOWN);
    }
    unwind_forget();
}
