/* Bringing memory near before it is needed. Why not the bare builtin: gcc takes a function that
 * only prefetches for one without effect and drops its calls; the empty asm keeps it. */
#ifndef REPLAY_NEAR_H
#define REPLAY_NEAR_H

/* A hint that *address is read and written soon; any address will do. Thread-safe. */
static inline void near_bring(const void *address)
{
    __builtin_prefetch(address, 1);
    __asm__ volatile("" :::);
}

#endif
