/* How one frame is left, as libunwind tells it: learned once for each return address (rules.h).
 *
 * The only file that knows libunwind. It is never walked with, and never sees the program's stack:
 * registers and the stack's words are given to it as names, it makes one step, and the result is
 * which name stands for what: the caller's stack pointer (CFA), where the return address stands,
 * where the caller's RBP was saved.
 *
 *   rule   bits 0-2 kind │ 3 │ 4 │ 5 │ 6 │ ... │ 8-31 CFA offset │ 32-55 RBP slot - CFA │
 *                          │   │   │   └ code of a library that copies stacks away (loops.h)
 *                          │   │   └ the frame above was interrupted: its ip is exact
 *                          │   └ RBP was saved
 *                          └ CFA is told from RBP, else from RSP
 *
 * Without unwind information the epilogue behind the return address tells the rule exactly: it is
 * what will run. Not here: keeping rules, the lock under which they are learned (rules.h). */
#ifndef RECORDER_PRELOAD_UNWIND_H
#define RECORDER_PRELOAD_UNWIND_H

#include <stdbool.h>
#include <stdint.h>

enum rule_kind {
    RULE_UNKNOWN, /* not learned yet, or retired */
    RULE_PLAIN,   /* CFA = RSP or RBP + offset, the return address just below it */
    RULE_WIDE,    /* anything else that names can say: unwind_wide */
    RULE_END,     /* the outermost frame */
    RULE_NONE     /* there is no way out of this frame that we know */
};

enum {
    RULE_KIND_BITS = 7,
    RULE_FROM_BP = 8,
    RULE_SAVES_BP = 16,
    RULE_INTERRUPTED = 32,
    RULE_COPIES = 64
};

/* Where a word stands: relative to one of these. */
enum rule_base { BASE_SP, BASE_BP, BASE_CFA, BASE_NOWHERE };

/* A rule that is not PLAIN. Offsets in bytes. */
struct wide_rule {
    uint8_t cfa_base; /* BASE_SP or BASE_BP */
    uint8_t cfa_read; /* 1: the CFA stands there, 0: it is that */
    uint8_t ra_base, bp_base;
    int32_t cfa_offset, ra_offset, bp_offset;
};

static inline int32_t rule_cfa_offset(uint64_t rule)
{
    return (int32_t)((uint32_t)(rule >> 8) << 8) >> 8;
}

static inline int32_t rule_bp_offset(uint64_t rule)
{
    return (int32_t)((uint32_t)(rule >> 32) << 8) >> 8;
}

/* Can native frames be read in this process? False where its libc has no _dl_find_object (glibc
 * before 2.35), or where the library was built without the unwinder. Any thread. */
bool unwind_possible(void);

/* Learn the rule of a frame.
 * ip: its return address, or with `exact` the instruction that it was interrupted at.
 * Returns the rule, at worst RULE_NONE; never RULE_UNKNOWN. One thread at a time (the rules' lock).
 * Reads only code and unwind tables for which the loader vouches, no stack. Async-signal-safe.
 * May change errno. */
uint64_t unwind_learn(uintptr_t ip, bool exact);

/* The stretch of code that has its unwind information in common with an address: a function, or a
 * part of one. At start, with nobody learning. Returns false where there is none. */
bool unwind_range(uintptr_t ip, uintptr_t *from, uintptr_t *to);

/* What a RULE_WIDE stands for; for ever. Any thread. */
const struct wide_rule *unwind_wide(uint64_t rule);

/* Modules have come or gone: what was found readable need not be so any more. As unwind_learn. */
void unwind_forget(void);

#endif
