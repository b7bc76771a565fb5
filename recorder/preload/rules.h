/* The rules by which frames are left, of all threads: return address to rule (unwind.h has what a
 * rule is).
 *
 * An entry is two words, key and rule; it is published by its key and read without a lock. What is
 * not known is learned under the one lock that modules.h shares, so that threads learn for each
 * other. Where code goes, its rules become 0, RULE_UNKNOWN, and are learned anew if code comes
 * there again. The table doubles before it is half full; old ones stay mapped, for a reader may be
 * in them. Dense on purpose: what a walk reads should stay in the caches.
 * Not here: what a frame is (native.h), how a rule is learned (unwind.h). */
#ifndef RECORDER_PRELOAD_RULES_H
#define RECORDER_PRELOAD_RULES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recorder/preload/unwind.h"

struct rule_entry {
    _Atomic uint64_t key; /* ip << 1 | exact; 0: free */
    _Atomic uint64_t rule;
};

struct rule_table {
    uint64_t shift; /* 64 - bits of an index */
    uint64_t mask;
    struct rule_entry entries[];
};

/* rules.c's: rule_of reads it */
extern _Atomic(struct rule_table *) rules_now;

static inline uint64_t rule_place(const struct rule_table *table, uint64_t key)
{
    return key * UINT64_C(0x9E3779B97F4A7C15) >> table->shift;
}

/* rule_of for what is not known yet. */
uint64_t rule_learn(uintptr_t ip, bool exact);

/* The rule of the frame at a return address, or with `exact` at the instruction where it was
 * interrupted. RULE_UNKNOWN: the lock was not had, or no memory. Any thread; lock-free when known.
 * May change errno. */
static inline uint64_t rule_of(uintptr_t ip, bool exact)
{
    uint64_t key = (uint64_t)ip << 1 | exact, found;
    struct rule_table *table = atomic_load_explicit(&rules_now, memory_order_acquire);
    if (!table)
        return rule_learn(ip, exact);
    uint64_t i = rule_place(table, key);
    while ((found = atomic_load_explicit(&table->entries[i].key, memory_order_acquire)) != key) {
        if (!found)
            return rule_learn(ip, exact);
        i = (i + 1) & table->mask;
    }
    uint64_t rule = atomic_load_explicit(&table->entries[i].rule, memory_order_relaxed);
    return __builtin_expect(rule != RULE_UNKNOWN, 1) ? rule : rule_learn(ip, exact);
}

/* The code in [from, to) has gone: its rules, too. With the lock held. */
void rules_retire(uintptr_t from, uintptr_t to);

/* The lock of rules and modules; bounded (lock.h). May change errno. */
bool rules_lock(void);
/* Only its holder. May change errno. */
void rules_unlock(void);
/* In a forked child: it is free. */
void rules_lock_reset(void);

#endif
