/* The parts of the interpreter's loop (eval.h).
 *
 * Compilers move what is seldom run out of a function, to a part that has unwind information of its
 * own and no symbol. It is jumped to from the named part, and begins in the middle of things: its
 * first row says that the stack is in use, where a function's says that only the return address
 * lies on it. Invariant: written once, at start, before any walk. */
#include "recorder/preload/eval.h"

#include <string.h>

#include "recorder/preload/memory.h"
#include "recorder/preload/rules.h"

enum { PARTS_MAX = 16 };

static struct {
    uintptr_t from, to;
} parts[PARTS_MAX];
static unsigned part_count;

static void add(uintptr_t from, uintptr_t to)
{
    if (part_count == PARTS_MAX)
        return;
    parts[part_count].from = from;
    parts[part_count++].to = to;
}

/* Where a jump with a far target that may begin at an address leads; 0: none does. */
static uintptr_t jump_target(uintptr_t at)
{
    uint8_t first = memory_u8(at);
    unsigned bytes = first == 0xE9                                         ? 1
                     : first == 0x0F && (memory_u8(at + 1) & 0xF0) == 0x80 ? 2
                                                                           : 0;
    int32_t distance;
    if (!bytes)
        return 0;
    memcpy(&distance, (const void *)(at + bytes), sizeof distance);
    return at + bytes + sizeof distance + (uintptr_t)(intptr_t)distance;
}

static bool begins_in_the_middle(uintptr_t from)
{
    uint64_t rule = rule_of(from, true);
    return (rule & RULE_KIND_BITS) != RULE_NONE && rule != RULE_UNKNOWN &&
           !((rule & RULE_KIND_BITS) == RULE_PLAIN && !(rule & RULE_FROM_BP) &&
             rule_cfa_offset(rule) == 8);
}

void eval_find(uintptr_t function)
{
    uintptr_t from, to, part, end;
    if (part_count || !function || !unwind_range(function, &from, &to))
        return;
    add(from, to);
    for (uintptr_t at = from; at + 6 < to; at++) {
        uintptr_t target = jump_target(at);
        if (target && !eval_holds(target) && unwind_range(target, &part, &end) &&
            begins_in_the_middle(part))
            add(part, end);
    }
}

bool eval_holds(uintptr_t address)
{
    for (unsigned i = 0; i < part_count; i++)
        if (address - parts[i].from < parts[i].to - parts[i].from)
            return true;
    return false;
}
