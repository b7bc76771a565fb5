/* The comparison of live frames with the layout, see verify.h. */
#define _GNU_SOURCE
#include "recorder/preload/verify.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "recorder/preload/interp.h"
#include "recorder/preload/memory.h"
#include "recorder/preload/peek.h"

/* A longer chain at the interpreter's start is none. */
enum { CHAIN_MAX = 1000 };

/* No thread state is larger. */
enum { TSTATE_MAX_BYTES = 4096 };

/* What was seen in the comparison under way (one thread at a time compares), and what was seen of
 * the thread state, which stays while its thread is attached to it: before the first frame
 * thousands of comparisons look no further. */
static struct glance glance, tstate_glance;
static uintptr_t tstate_seen;

static void look_anew(uintptr_t tstate)
{
    memset(&glance, 0, sizeof glance);
    if (tstate != tstate_seen)
        memset(&tstate_glance, 0, sizeof tstate_glance);
    tstate_seen = tstate;
}

static bool peek_at(uintptr_t address, void *out, size_t size_bytes)
{
    bool in_tstate = address - tstate_seen < TSTATE_MAX_BYTES;
    return peek(in_tstate ? &tstate_glance : &glance, address, out, size_bytes);
}

static uintptr_t peek_word(uintptr_t address)
{
    uintptr_t word;
    return peek_at(address, &word, sizeof word) ? word : 0;
}

static uintptr_t word_at(uintptr_t object, int32_t offset)
{
    return peek_word(object + (uintptr_t)offset);
}

static bool is_a(uintptr_t object, uintptr_t type)
{
    return object && word_at(object, interp.layout.object_type) == type;
}

static enum verify_result wrong(struct sentence *why, const char *what)
{
    sentence_add(why, what);
    return VERIFY_WRONG;
}

/* The 32 bits at an address, or -1. */
static int64_t int_at(uintptr_t address)
{
    int32_t value;
    return peek_at(address, &value, sizeof value) ? value : -1;
}

/* More bytes than any table of lines or bytecode has. */
enum { SIZE_MAX_BYTES = 1 << 28 };

/* A bytes object ends with a NUL that its size doesn't count. */
static bool bytes_look_right(uintptr_t bytes)
{
    const struct layout *l = &interp.layout;
    uintptr_t size = word_at(bytes, l->object_size);
    uint8_t last;
    return is_a(bytes, interp.bytes_type) && size < SIZE_MAX_BYTES &&
           peek_at(bytes + (uintptr_t)l->bytes_data + size, &last, 1) && last == 0;
}

static bool code_looks_right(uintptr_t code)
{
    const struct layout *l = &interp.layout;
    return is_a(code, interp.code_type) &&
           is_a(word_at(code, l->code_filename), interp.text_type) &&
           is_a(word_at(code, l->code_name), interp.text_type) &&
           bytes_look_right(word_at(code, l->code_table)) &&
           (l->code_qualname == LAYOUT_NONE ||
            is_a(word_at(code, l->code_qualname), interp.text_type));
}

/* <= 3.10: is the frame's number that of an instruction of its code? A caller stands at a call,
 * which is never the first instruction. */
static bool lasti_looks_right(uintptr_t frame, uintptr_t code, bool is_caller)
{
    const struct layout *l = &interp.layout;
    int64_t lasti = int_at(frame + (uintptr_t)l->frame_ip);
    int64_t bytes = l->ip_kind == IP_LASTI_UNITS ? 2 * lasti : lasti;
    uintptr_t bytecode = word_at(code, l->code_bytecode);
    return bytes_look_right(bytecode) && bytes < (int64_t)word_at(bytecode, l->object_size) &&
           (bytes % 2 == 0 || lasti == -1) && lasti >= (is_caller ? 1 : -1);
}

/* Is the frame's instruction one of its code's? One unit before the first: not begun. */
static bool ip_looks_right(uintptr_t frame, uintptr_t code, bool is_caller)
{
    const struct layout *l = &interp.layout;
    if (l->ip_kind != IP_POINTER)
        return lasti_looks_right(frame, code, is_caller);
    uintptr_t base = code + (uintptr_t)l->code_instructions;
    if (l->frame_tlbc != LAYOUT_NONE) {
        int64_t index = int_at(frame + (uintptr_t)l->frame_tlbc);
        uintptr_t array = word_at(code, l->code_tlbc);
        if (index < 0)
            return false;
        if (index > 0 && array)
            base = peek_word(array + (uintptr_t)l->tlbc_entries + 8 * (uintptr_t)index);
    }
    uintptr_t ip = word_at(frame, l->frame_ip), units = word_at(code, l->object_size);
    return units < SIZE_MAX_BYTES && ip + 2 >= base && ip - base + 2 <= 2 * units + 2;
}

/* One frame. is_caller: it called the frame that was looked at before. *counts: it is one of
 * Python's, not the interpreter's own. */
static enum verify_result verify_frame(uintptr_t frame, bool is_caller, bool *counts,
                                       struct sentence *why)
{
    const struct layout *l = &interp.layout;
    uint8_t owner = 0;
    *counts = true;
    if (frame % sizeof(uintptr_t))
        return wrong(why, "a frame's address is odd");
    if (l->frame_owner != LAYOUT_NONE && !peek_at(frame + (uintptr_t)l->frame_owner, &owner, 1))
        return wrong(why, "a frame cannot be read");
    if (owner > 4)
        return wrong(why, "a frame's owner is none that is known");
    *counts = l->frame_owner_shim == LAYOUT_NONE || owner < l->frame_owner_shim;
    if (!*counts)
        return VERIFY_SOME;
    uintptr_t code = word_at(frame, l->frame_code) & ~(uintptr_t)l->frame_code_tags;
    if (!code_looks_right(code))
        return wrong(why, "a frame's code is no code object");
    if (!ip_looks_right(frame, code, is_caller))
        return wrong(why, "a frame's instruction is not in its code");
    return VERIFY_SOME;
}

/* 3.11, 3.12: C frames are a list, linked behind current_frame, that ends in the thread state. */
static bool cframes_look_right(uintptr_t tstate)
{
    uintptr_t cframe = word_at(tstate, interp.layout.tstate_frame), last = 0;
    for (int i = 0; cframe && i < CHAIN_MAX; i++) {
        last = cframe;
        cframe = word_at(cframe, interp.layout.cframe_frame + 8);
    }
    return !cframe && last > tstate && last - tstate < TSTATE_MAX_BYTES;
}

static enum verify_result verify_tstate(uintptr_t tstate, struct sentence *why)
{
    const struct layout *l = &interp.layout;
    if (word_at(tstate, l->tstate_thread) != (uintptr_t)pthread_self())
        return wrong(why, "the thread state is not this thread's");
    if (l->tstate_source == TSTATE_IN_RUNTIME && interp.remembered() == interp.attached() &&
        memory_word(interp.runtime + (uintptr_t)l->runtime_tstate) != interp.attached())
        return wrong(why, "the runtime names another thread state");
    uintptr_t items = memory_word(interp.code_type + (uintptr_t)l->object_size);
    if (items != 0) /* a static type has none */
        return wrong(why, "objects don't have their size where it should be");
    if (l->cframe_frame != LAYOUT_NONE && !cframes_look_right(tstate))
        return wrong(why, "the thread state's C frames are none");
    return VERIFY_SOME;
}

enum verify_result verify_chain(uintptr_t tstate, struct sentence *why)
{
    const struct layout *l = &interp.layout;
    look_anew(tstate);
    if (verify_tstate(tstate, why) == VERIFY_WRONG)
        return VERIFY_WRONG;
    uintptr_t frame = word_at(tstate, l->tstate_frame);
    if (l->cframe_frame != LAYOUT_NONE)
        frame = word_at(frame, l->cframe_frame);
    int frames = 0;
    bool counts = false;
    for (int i = 0; frame; i++, frame = word_at(frame, l->frame_previous)) {
        if (i == CHAIN_MAX)
            return wrong(why, "the chain of frames has no end");
        if (verify_frame(frame, i > 0, &counts, why) == VERIFY_WRONG)
            return VERIFY_WRONG;
        frames += counts;
    }
    if (frames && counts && l->frame_owner_shim != LAYOUT_NONE)
        return wrong(why, "the outermost frame is not the interpreter's own");
    return frames == 0 ? VERIFY_NOTHING : frames < VERIFY_FRAMES ? VERIFY_SOME : VERIFY_ALL;
}
