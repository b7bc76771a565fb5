/* The parts of the interpreter's loop (eval.h).
 * Invariant: written once, at start, before any walk. */
#include "recorder/preload/eval.h"

enum { PARTS_MAX = 16 };

static struct {
    uintptr_t from, to;
} parts[PARTS_MAX];
static unsigned part_count;

void eval_find(uintptr_t named_from, uint64_t named_bytes)
{
    if (part_count || !named_bytes)
        return;
    parts[0].from = named_from;
    parts[0].to = named_from + named_bytes;
    part_count = 1;
}

bool eval_holds(uintptr_t address)
{
    for (unsigned i = 0; i < part_count; i++)
        if (address - parts[i].from < parts[i].to - parts[i].from)
            return true;
    return false;
}
