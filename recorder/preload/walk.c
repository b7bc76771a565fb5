/* Who walks, and when: the state that every allocation asks first (walk.h). The walk itself is
 * compiled for each version (quick.c); walk_now points to it once live frames have been compared
 * with the layout. */
#define _GNU_SOURCE
#include "recorder/preload/walk.h"
#include "recorder/failpoint.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "recorder/preload/code.h"
#include "recorder/preload/define.h"
#include "recorder/preload/entries.h"
#include "recorder/preload/frames.h"
#include "recorder/preload/native.h"
#include "recorder/preload/pair.h"
#include "recorder/preload/quick.h"
#include "recorder/preload/sound.h"
#include "recorder/preload/verify.h"
#include "recorder/preload/whole.h"

static atomic_flag suspect_busy = ATOMIC_FLAG_INIT; /* one thread at a time compares */
_Atomic bool walk_ended;

static uint32_t no_walk(struct walker *w)
{
    (void)w;
    return NODE_NONE;
}

/* no_walk (there is nothing to walk, or no more), walk_suspect, or the version's quick walk; where
 * native frames are wanted, walk_both, and these stand in walk_python. */
walk_function *_Atomic walk_now = no_walk;
static walk_function *_Atomic walk_python = no_walk;

static void walk_set(walk_function *function)
{
    walk_python = function;
    if (!interp.native)
        walk_now = function;
}

static uint32_t walk_both(struct walker *w) { return pair_of(w, walk_python(w)); }

void walk_native(void)
{
    interp.native = true;
    entries_start();
    walk_now = walk_both;
}

/* The state that the thread remembers is mine; the holder is, if it's the same or if it says so. To
 * ask the holder is only safe while it lives, which is sure only if it is mine; so it is asked only
 * while there are subinterpreters, whose states the thread doesn't remember. */
uintptr_t tstate_search(struct walker *w, uintptr_t holder)
{
    const struct layout *l = &interp.layout;
    uintptr_t mine = interp.remembered();
    if (!w->thread)
        w->thread = (uintptr_t)pthread_self();
    if (holder && holder != mine &&
        frames_word(interp.runtime, l->runtime_interp_head) !=
            frames_word(interp.runtime, l->runtime_interp_main) &&
        frames_word(holder, l->tstate_thread) == w->thread)
        mine = holder;
    if (holder && holder == mine)
        w->tstate = holder;
    return mine;
}

/* Compare the live chain with the layout, and decide. Returns whether it may be walked. */
static bool suspect_cleared(uintptr_t tstate)
{
    char fact[INTERP_FACT_BYTES];
    struct sentence why;
    sentence_init(&why, fact, sizeof fact);
    sentence_add(&why, "CPython ");
    sentence_add(&why, interp_version());
    sentence_add(&why, ": ");
    enum verify_result result = FAILPOINT(frames_wrong, verify_chain(tstate, &why), VERIFY_WRONG);
    if (result == VERIFY_WRONG) {
        walk_stop();
        define_verdict(INTERP_FRAMES_MISMATCH, fact);
    } else if (result == VERIFY_ALL) {
        walk_set(quick_find(interp.minor, interp.free_threaded));
        sentence_add(&why, "live frames agree");
        define_verdict(INTERP_OK, fact);
    }
    return result == VERIFY_SOME || result == VERIFY_ALL;
}

/* The walk while the layout has not been compared with live frames yet. */
static uint32_t walk_suspect(struct walker *w)
{
    uint32_t node = NODE_NONE;
    int saved_errno = errno;
    uintptr_t tstate = tstate_of_thread(w, &interp.layout);
    if (tstate && !atomic_flag_test_and_set(&suspect_busy)) {
        if (suspect_cleared(tstate))
            node = whole_walk(w, top_frame(tstate, &interp.layout), code_epoch());
        atomic_flag_clear(&suspect_busy);
    }
    errno = saved_errno;
    return node;
}

bool walk_is_sound(struct walker *w)
{
    walk_function *now = walk_python;
    return now == no_walk || now == walk_suspect || sound_chain(w);
}

void walk_start(void) { walk_set(walk_suspect); }

void walk_stop(void) { walk_set(no_walk); }

static bool native_held; /* by the thread that holds the interner over a fork */

bool walk_fork_prepare(void)
{
    int saved_errno = errno;
    bool held = intern_lock();
    if (held && interp.native)
        native_held = native_fork_prepare();
    errno = saved_errno;
    return held;
}

void walk_fork_parent(void)
{
    int saved_errno = errno;
    if (native_held)
        native_fork_parent();
    native_held = false;
    intern_unlock();
    errno = saved_errno;
}

void walk_after_fork(void)
{
    atomic_flag_clear(&suspect_busy);
    intern_lock_reset();
    native_after_fork();
    native_held = false;
}

void walk_losses(struct walk_losses *losses) { whole_losses(losses); }
