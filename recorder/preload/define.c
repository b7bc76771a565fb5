/* Definitions of the walker as ring words (define.h, ring.def).
 * Invariant: runs with the thread already in our own code, so nothing it does is recorded. */
#define _GNU_SOURCE
#include "recorder/preload/define.h"
#include "recorder/preload/emit.h"
#include "recorder/preload/hooks_map.h"
#include "recorder/preload/hooks_python.h"

#include <errno.h>
#include <time.h>

#define REFUSAL_STEPS 200 /* of 10 ms: the collector ends the root meanwhile */

/* What found no ring is counted as a lost event (emit.c); a definition is none. */
static bool written(bool done)
{
    if (!done && !thread_self.ring && process.slot)
        atomic_fetch_sub_explicit(&process.slot->no_ring, 1, memory_order_relaxed);
    return done;
}

bool define_code(uint32_t code_id, const struct code_facts *facts)
{
    struct thread *t = &thread_self;
    uint64_t words[] = {RING_WORD(RING_CODE, facts->table_kind, code_id),
                        (uint32_t)facts->first_line | (uint64_t)facts->minor << 32,
                        facts->name_bytes, facts->filename_bytes, facts->table_bytes};
    return written(emit_words(t, words, 5)) && emit_data(t, facts->name, facts->name_bytes) &&
           emit_data(t, facts->filename, facts->filename_bytes) &&
           emit_data(t, facts->table, facts->table_bytes);
}

bool define_node(uint32_t id, uint32_t parent, uint32_t code_id, int32_t lasti_bytes)
{
    return written(emit3(&thread_self, RING_WORD(RING_NODE, 0, id),
                         parent | (uint64_t)code_id << 32, (uint32_t)lasti_bytes));
}

bool define_module(uint32_t id, const struct module_facts *facts)
{
    struct thread *t = &thread_self;
    uint64_t words[] = {RING_WORD(RING_MODULE, 0, id), facts->start, facts->bytes,
                        facts->path_bytes | (uint64_t)facts->id_bytes << 32};
    return written(emit_words(t, words, 4)) && emit_data(t, facts->path, facts->path_bytes) &&
           emit_data(t, facts->id, facts->id_bytes);
}

void define_module_gone(uint32_t id)
{
    written(emit1(&thread_self, RING_WORD(RING_MODULE_GONE, 0, id)));
}

/* The root must not run its first line with stacks that we cannot read: the collector ends it.
 * Bounded, in case nobody does. */
static void wait_for_refusal(void)
{
    struct timespec step = {.tv_nsec = 10000000};
    for (int i = 0; i < REFUSAL_STEPS; i++)
        nanosleep(&step, NULL);
}

void define_verdict(enum interp_verdict verdict, const char *fact)
{
    (void)fact;
    if (verdict == INTERP_OK) {
        if (process.flags & SHM_OBJECTS && python_wrap_allocators() != 0)
            map_early_are_arenas();
        atomic_store(&process.slot->python, SLOT_PYTHON_OK);
        return;
    }
    int saved = errno;
    atomic_store(&process.slot->python, SLOT_PYTHON_FAILED);
    if (process.root)
        wait_for_refusal();
    errno = saved;
}
