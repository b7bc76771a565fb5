/* The walk of C stacks in a shared object of its own, for tests/native/adversary.c.
 *
 * native_probe says which frames its caller stands in, as the recorder sees them, twice: once from
 * the stack that was remembered, once without any. Definitions are kept in tables instead of being
 * written to a ring. Not here: the expected answers. */
#include <stdint.h>
#include <stdlib.h>

#include "recorder/preload/define.h"
#include "recorder/preload/native.h"
#include "recorder/ring.h"

#define EXPORT __attribute__((visibility("default")))

enum { NODES_MAX = 1 << 24, MODULES_MAX = 1 << 12 };

static struct {
    uint32_t parent, code_id, offset;
} nodes[NODES_MAX];
static uint64_t module_starts[MODULES_MAX];
static __thread struct native_list *list;

bool define_code(uint32_t id, const struct code_facts *f)
{
    (void)id;
    (void)f;
    return false;
}

bool define_node(uint32_t id, uint32_t parent, uint32_t code_id, int32_t lasti)
{
    if (id >= NODES_MAX)
        return false;
    nodes[id].parent = parent;
    nodes[id].code_id = code_id;
    nodes[id].offset = (uint32_t)lasti;
    return true;
}

bool define_module(uint32_t id, const struct module_facts *f)
{
    if (id >= MODULES_MAX)
        return false;
    module_starts[id] = f->start;
    return true;
}

void define_module_gone(uint32_t id) { (void)id; }

void define_verdict(enum interp_verdict verdict, const char *fact)
{
    (void)verdict;
    (void)fact;
}

/* The frames of the caller, innermost first: the address of the call in each, 0 in no module.
 * *agree: whether the remembered stack gave what a walk without one gives. Returns their number. */
EXPORT int native_probe(uintptr_t *frames, int max, int *agree)
{
    static const struct native_marks none;
    struct native_list *fresh = NULL;
    uint32_t node = native_walk(&list, &none), other = native_walk(&fresh, &none);
    native_list_release(&fresh);
    *agree = node == other;
    int n = 0;
    for (; node >= NODE_FIRST && n < max; node = nodes[node].parent) {
        uint32_t module = nodes[node].code_id & ~CODE_NATIVE;
        frames[n++] = module ? (uintptr_t)module_starts[module] + nodes[node].offset : 0;
    }
    return n;
}

/* How many walks ended early, and how many told nothing. */
EXPORT void native_probe_losses(unsigned long *cut, unsigned long *lost)
{
    struct native_losses losses;
    native_losses(&losses);
    *cut = losses.cut;
    *lost = losses.lost;
}

/* One look, and nothing else: what it costs. */
EXPORT unsigned native_probe_cost(void)
{
    static const struct native_marks none;
    return native_walk(&list, &none);
}
