/* Entry records by version (entries.h).
 * Where each version keeps them is in layout.def. */
#define _GNU_SOURCE
#include "recorder/preload/entries.h"

#include <dlfcn.h>
#include <errno.h>

#include "recorder/preload/eval.h"
#include "recorder/preload/frames.h"
#include "recorder/preload/pages.h"
#include "recorder/preload/shadow.h"

/* Deeper ones are not noted, and native frames then not put between Python frames. */
enum { SHIMS_MAX = 8192 };

struct entry_shims {
    uint32_t count;
    bool full; /* there were more */
    struct {
        uint32_t place; /* in the shadow */
        uintptr_t frame;
    } at[SHIMS_MAX];
};

void entries_start(void)
{
    struct layout row;
    if (!interp.minor || !layout_find(&row, interp.minor, interp.free_threaded))
        return;
    interp.layout.frame_entry = row.frame_entry;
    if (interp.minor <= 9)
        eval_find((uintptr_t)dlsym(RTLD_DEFAULT, "_PyEval_EvalFrameDefault"));
}

/* Those from place i of the shadow on are no more. */
static void drop_from(struct entry_shims *s, uint32_t i)
{
    while (s->count && s->at[s->count - 1].place >= i) {
        s->count--;
        s->full = false;
    }
}

void entries_note(struct walker *w, uint32_t i, uintptr_t frame)
{
    struct entry_shims *s = w->shims;
    if (!s) {
        int saved = errno;
        s = w->shims = pages_map(sizeof *s);
        errno = saved;
    }
    if (!s)
        return;
    drop_from(s, i);
    if (s->count == SHIMS_MAX) {
        s->full = true;
        return;
    }
    s->at[s->count].place = i;
    s->at[s->count++].frame = frame;
}

static uint32_t collect_shims(struct walker *w, uintptr_t *out, uint32_t capacity)
{
    struct entry_shims *s = w->shims;
    uint32_t n = 0;
    drop_from(s, w->depth);
    for (uint32_t i = s->count; i-- > 0 && n < capacity;)
        if (shadow_address(w, s->at[i].place) == s->at[i].frame)
            out[n++] = s->at[i].frame;
    return n;
}

/* The state's own record is the last one: its link is not always set (3.10). */
static uint32_t collect_chain(struct walker *w, uintptr_t *out, uint32_t capacity)
{
    const struct layout *l = &interp.layout;
    uintptr_t tstate = tstate_of_thread(w, l), entry = 0;
    uintptr_t end = tstate + (uintptr_t)l->tstate_root_cframe;
    uint32_t n = 0;
    if (tstate)
        entry = frames_word(tstate, l->tstate_cframe);
    for (; entry && entry != end && n < capacity; entry = frames_word(entry, l->cframe_previous))
        out[n++] = entry;
    return n;
}

bool entries_collect(struct walker *w, struct native_marks *marks)
{
    uint32_t capacity;
    uintptr_t *out = native_entries(&w->native, &capacity);
    marks->entries = out;
    marks->count = 0;
    marks->by_range = interp.minor <= 9;
    marks->frames = w->depth;
    if (!out || marks->by_range)
        return out != NULL;
    if (interp.layout.tstate_cframe != LAYOUT_NONE)
        marks->count = collect_chain(w, out, capacity);
    else if (w->shims && !w->shims->full)
        marks->count = collect_shims(w, out, capacity);
    else
        return false;
    return true;
}

void entries_release(struct walker *w)
{
    if (w->shims)
        pages_unmap(w->shims, sizeof *w->shims);
    w->shims = NULL;
}
