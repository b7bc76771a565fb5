/* Room for a thread's shadow (shadow.h): one mapping for the three arrays, one for what is
 * recalled. Why not less at a time: threads are few, untouched pages cost nothing. */
#include "recorder/preload/shadow.h"
#include "recorder/failpoint.h"

#include <errno.h>
#include <string.h>

#include "recorder/preload/entries.h"
#include "recorder/preload/native.h"
#include "recorder/preload/pages.h"
#include "recorder/preload/recall.h"

enum { CAPACITY_MIN = 1024 };

static size_t mapping_bytes(uint32_t capacity)
{
    return sizeof(struct shadow_frame) +
           capacity *
               (sizeof(struct shadow_frame) + sizeof(struct shadow_detail) + sizeof(uintptr_t));
}

/* Move what w holds into a fresh mapping for `capacity` frames. */
static void move(struct walker *w, struct shadow_frame *shadow, uint32_t capacity)
{
    struct shadow_detail *details = (struct shadow_detail *)(shadow + capacity + 1);
    uintptr_t *chain = (uintptr_t *)(details + capacity);
    if (w->capacity) {
        memcpy(shadow, w->shadow, (w->depth + 1) * sizeof *shadow);
        memcpy(details, w->details, w->depth * sizeof *details);
        memcpy(chain, w->chain, w->capacity * sizeof *chain);
        pages_unmap(w->shadow, mapping_bytes(w->capacity));
    }
    w->shadow = shadow;
    w->details = details;
    w->chain = chain;
    w->capacity = capacity;
}

bool walker_grow(struct walker *w)
{
    uint32_t capacity = w->capacity ? 2 * w->capacity : CAPACITY_MIN;
    int saved_errno = errno;
    if (!w->recalls)
        w->recalls = pages_map(sizeof *w->recalls);
    struct shadow_frame *shadow =
        w->recalls ? FAILPOINT(walker_memory, pages_map(mapping_bytes(capacity)), NULL) : NULL;
    if (shadow)
        move(w, shadow, capacity);
    errno = saved_errno;
    return shadow != NULL;
}

void walker_release(struct walker *w)
{
    int saved_errno = errno;
    if (w->shadow)
        pages_unmap(w->shadow, mapping_bytes(w->capacity));
    if (w->recalls)
        pages_unmap(w->recalls, sizeof *w->recalls);
    native_list_release(&w->native);
    entries_release(w);
    *w = (struct walker){.origin = w->origin};
    errno = saved_errno;
}
