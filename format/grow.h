/* Room for more items in an array that grows by doubling. Why macros: the array's type and that
 * of its capacity stay the owner's. Invariant: where there is no room nothing has changed. Not
 * here: arrays that grow by less than double because they are most of the memory (replay/). */
#ifndef MEMREC_FORMAT_GROW_H
#define MEMREC_FORMAT_GROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Doubles `items`, an lvalue from malloc() or NULL, of `capacity` items, an unsigned lvalue; the
 * first time to `first` items. New items are not set. Evaluates its arguments more than once.
 * False: out of memory, or the capacity's type holds no more. */
#define GROW(items, capacity, first)                                                               \
    ({                                                                                             \
        __typeof__(capacity) wanted_ =                                                             \
            (capacity) ? (__typeof__(capacity))((capacity)*2) : (first);                           \
        void *grown_ =                                                                             \
            wanted_ > (capacity) ? reallocarray((items), wanted_, sizeof *(items)) : NULL;         \
        if (grown_) {                                                                              \
            (items) = grown_;                                                                      \
            (capacity) = wanted_;                                                                  \
        }                                                                                          \
        grown_ != NULL;                                                                            \
    })

/* As GROW, but doubles until there is an item `at`, which there is none of yet, and new items are
 * all zero. */
#define GROW_TO(items, capacity, at, first)                                                        \
    ({                                                                                             \
        __typeof__(capacity) had_ = (capacity), wanted_ = had_ ? had_ : (first);                   \
        while (wanted_ && wanted_ <= (at))                                                         \
            wanted_ *= 2;                                                                          \
        void *grown_ = wanted_ > (at) ? reallocarray((items), wanted_, sizeof *(items)) : NULL;    \
        if (grown_) {                                                                              \
            (items) = grown_;                                                                      \
            (capacity) = wanted_;                                                                  \
            memset((items) + had_, 0, (size_t)(wanted_ - had_) * sizeof *(items));                 \
        }                                                                                          \
        grown_ != NULL;                                                                            \
    })

#endif
