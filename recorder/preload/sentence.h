/* A sentence put together in a buffer, without stdio.
 *
 * Always NUL-terminated, cut where the buffer ends. */
#ifndef RECORDER_PRELOAD_SENTENCE_H
#define RECORDER_PRELOAD_SENTENCE_H

#include <stddef.h>
#include <stdint.h>

struct sentence {
    char *text;      /* the caller's buffer */
    size_t capacity; /* its bytes, at least 1 */
    size_t length;   /* without the NUL */
};

/* Begin an empty sentence in the caller's buffer. */
static inline void sentence_init(struct sentence *s, char *text, size_t capacity)
{
    *s = (struct sentence){text, capacity, 0};
    text[0] = 0;
}

/* Append a text; NULL appends nothing. */
static inline void sentence_add(struct sentence *s, const char *text)
{
    while (text && *text && s->length + 1 < s->capacity)
        s->text[s->length++] = *text++;
    s->text[s->length] = 0;
}

/* Append a number in decimal. */
static inline void sentence_add_number(struct sentence *s, int64_t number)
{
    char digits[24];
    size_t at = sizeof digits;
    uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;
    digits[--at] = 0;
    do
        digits[--at] = (char)('0' + rest % 10);
    while (rest /= 10);
    if (number < 0)
        digits[--at] = '-';
    sentence_add(s, digits + at);
}

#endif
