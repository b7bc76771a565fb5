/* The out-of-memory guard: ends the recorded program when the kernel is about to, so that who held
 * the memory is told before. Steps in when less than the reserve is left (headroom.h) and the
 * program holds as much as the usual reserve itself, since ending anything smaller would not help;
 * or when more of the program is swapped out than memory is left. First everything is stopped, so
 * that telling finds memory and time; it is killed when the launcher has told, or is gone. Why a
 * tenth: 100 MB of a small container are most of it. Not thread-safe. Not here: what is told
 * (farewell.h). */
#ifndef RECORDER_COLLECTOR_GUARD_H
#define RECORDER_COLLECTOR_GUARD_H

#include "recorder/collector/headroom.h"
#include "recorder/collector/processes.h"

#define GUARD_RESERVE_BYTES UINT64_C(100000000) /* where nothing else was asked for, */
#define GUARD_RESERVE_SHARE 10u                 /* and at most this part of the whole */

/* Reserves that are no sizes. */
#define GUARD_OFF     UINT64_MAX
#define GUARD_DEFAULT (UINT64_MAX - 1)

struct guard {
    struct headroom headroom;
    struct headroom_left left; /* as last read */
    uint64_t asked_bytes;      /* the reserve, or GUARD_OFF, GUARD_DEFAULT */
    uint64_t due_ns;           /* trace time of the next look */
    uint64_t swapped_bytes;    /* of the program, where that was the reason */
    bool stepped_in;
};

/* reserve_bytes: as asked for, or GUARD_OFF, GUARD_DEFAULT. */
void guard_open(struct guard *g, uint64_t reserve_bytes);
/* From now on the limits are those of a process's control groups instead of our own. */
void guard_follow(struct guard *g, uint32_t pid);
/* Closes its files. */
void guard_close(struct guard *g);

/* The reserve for a whole of that many bytes. */
uint64_t guard_reserve(uint64_t asked_bytes, uint64_t whole_bytes);
/* How long memory lasts at least before `left` falls to the reserve, ns, 1 ms to 100 ms: nothing
 * fills it faster than 8 bytes a nanosecond. */
uint64_t guard_pause(uint64_t left_bytes, uint64_t reserve_bytes);
/* Must it step in? held_bytes: resident, of the recorded processes; swapped_bytes: of these, too.
 */
bool guard_must_act(const struct headroom_left *left, uint64_t reserve_bytes, uint64_t held_bytes,
                    uint64_t swapped_bytes);

/* Looks, where it is due. Returns true once: the guard steps in now. */
bool guard_look(struct guard *g, const struct processes *all);
/* Why it stepped in, one line without its end. */
void guard_sentence(const struct guard *g, char *out, size_t capacity);
/* Sends a signal to every recorded process that lives. */
void guard_signal(const struct processes *all, int number);
/* Waits until all of them have stopped or ended, 100 ms at most. */
void guard_await_stop(const struct processes *all);

#endif
