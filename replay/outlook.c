/* Asking a batch what it will look at (outlook.h). Why a few of its events tell: a program that
 * frees old blocks frees many of them. */
#include "replay/outlook.h"

/* One event in ASKED is asked; one in RARE may miss, which costs less than hints for all. */
enum { ASKED = 16, RARE = 32 };
enum { NEAR_INDICES = 16384, NEAR_SLOTS = 8192 }; /* of 16 and 32 bytes: 256 KiB */

/* Is what this event frees old, or its address among many? */
static bool frees_far(const struct replay *r, const struct event *ev)
{
    if (ev->kind == EVENT_FREE)
        return r->next_index > ev->index && r->next_index - ev->index > NEAR_INDICES;
    return ev->kind == EVENT_FREE_ADDRESS && r->blocks.table.slot_count > NEAR_SLOTS;
}

struct outlook outlook_of(struct replay *r, const struct event *events, int count)
{
    int far = 0;
    for (int i = 0; i < count; i += ASKED)
        far += frees_far(r, &events[i]);
    bool blocks = far > count / ASKED / RARE, many = r->sites.count > SITES_MANY;
    bool sites = many && r->sites.searches > (uint32_t)count / RARE;
    r->sites.searches = 0;
    return (struct outlook){blocks, sites, many && (sites || blocks)};
}
