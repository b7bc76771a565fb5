/* Marks on frames (loops.h), in one pass from the innermost outwards: entries come in that order,
 * and only where the loops end can it be said where the stack begins. */
#include "recorder/preload/loops.h"

#include "recorder/preload/eval.h"

/* met: entries, or with by_range loops, inside of this frame. */
static bool is_loop(const struct native_frame *f, uintptr_t end, const struct native_marks *marks,
                    uint32_t met)
{
    if (marks->by_range)
        return eval_holds(f->at.ip - !f->at.exact);
    return met < marks->count && marks->entries[met] >= f->at.sp && marks->entries[met] < end;
}

struct loops loops_mark(struct native_frame *frames, uint32_t depth,
                        const struct native_marks *marks, uint32_t from)
{
    struct loops found = {.changed = from, .outermost = depth, .beginning = depth};
    uint32_t met = 0;
    bool over = false; /* by_range: all loops of this stack are inside */
    for (uint32_t i = depth; i-- > 0;) {
        struct native_frame *f = &frames[i];
        bool holds = !over && is_loop(f, i ? f[-1].at.sp : 0, marks, met);
        met += holds;
        holds = holds && !f->copies; /* greenlet has an entry record of its own (3.10 to 3.12) */
        if (holds) {
            found.outermost = i;
            found.beginning = depth;
        } else if (f->copies && found.beginning == depth) {
            over = marks->by_range && met >= marks->frames;
            if (over || !marks->by_range)
                found.beginning = i;
        }
        if (holds != f->marked && i < found.changed)
            found.changed = i;
        f->marked = holds;
    }
    return found;
}
