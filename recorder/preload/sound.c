/* Looking at the innermost frames before walking them (sound.h). Why only those: a frame that the
 * eval loop is about to push or pop is among them, and what lies below a right one is right. */
#include "recorder/preload/sound.h"

#include <errno.h>

#include "recorder/preload/frames.h"
#include "recorder/preload/peek.h"

enum { SOUND_FRAMES = 24, TLBC_MAX = 4096 };

static const struct layout *const layout = &interp.layout;

static bool word_of(struct glance *glance, uintptr_t object, int32_t offset, uintptr_t *word)
{
    uintptr_t at = object + (uintptr_t)offset;
    return at % sizeof *word == 0 && object && peek(glance, at, word, sizeof *word);
}

/* Free-threaded: is the frame's copy of the bytecode one that can be looked up? */
static bool copy_is_sound(struct glance *glance, uintptr_t frame, uintptr_t code)
{
    int32_t index;
    uintptr_t array, entry;
    if (layout->frame_tlbc == LAYOUT_NONE)
        return true;
    return peek(glance, frame + (uintptr_t)layout->frame_tlbc, &index, sizeof index) &&
           word_of(glance, code, layout->code_tlbc, &array) && index >= 0 && index < TLBC_MAX &&
           (!index || !array || word_of(glance, array, layout->tlbc_entries + 8 * index, &entry));
}

static bool frame_is_sound(struct glance *glance, uintptr_t frame)
{
    uintptr_t code, type, ip;
    uint8_t owner = 0;
    if (!word_of(glance, frame, layout->frame_code, &code) ||
        !peek(glance, frame + (uintptr_t)layout->frame_ip, &ip,
              layout->ip_kind == IP_POINTER ? 8 : 4))
        return false;
    if (layout->frame_owner != LAYOUT_NONE &&
        !peek(glance, frame + (uintptr_t)layout->frame_owner, &owner, 1))
        return false;
    if (layout->frame_owner_shim != LAYOUT_NONE && owner >= layout->frame_owner_shim)
        return true;
    code &= ~(uintptr_t)layout->frame_code_tags;
    return word_of(glance, code, layout->object_type, &type) && type == interp.code_type &&
           copy_is_sound(glance, frame, code);
}

static bool links_are_sound(struct walker *w)
{
    struct glance glance = {0};
    uintptr_t tstate = tstate_of_thread(w, layout), frame;
    if (!tstate)
        return true;
    if (!word_of(&glance, tstate, layout->tstate_frame, &frame))
        return false;
    if (layout->cframe_frame != LAYOUT_NONE && frame &&
        !word_of(&glance, frame, layout->cframe_frame, &frame))
        return false;
    for (int i = 0; frame && i < SOUND_FRAMES; i++)
        if (!frame_is_sound(&glance, frame) ||
            !word_of(&glance, frame, layout->frame_previous, &frame))
            return false;
    return true;
}

bool sound_chain(struct walker *w)
{
    int saved_errno = errno;
    bool sound = links_are_sound(w);
    errno = saved_errno;
    return sound;
}
