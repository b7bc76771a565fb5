/* What kind of program a file is, as far as a preload is concerned: read from its ELF headers
 * (elf(5)) with pread alone. Why: the dynamic loader of another libc or architecture prints or
 * fails where LD_PRELOAD names our library, and a sanitised program refuses to start behind another
 * preload; these start without us. Used by memrec before the start and by the exec hooks inside
 * programs: allocates nothing, bounded reads, async-signal-safe. */
#ifndef RECORDER_ELF_H
#define RECORDER_ELF_H

#include <stdbool.h>
#include <stddef.h>

enum program_kind {
    PROGRAM_MISSING,    /* cannot be opened or read */
    PROGRAM_CARRIES,    /* a dynamic glibc program of our architecture */
    PROGRAM_SCRIPT,     /* #!: interpreter holds the path after it */
    PROGRAM_STATIC,     /* no dynamic loader: a preload is ignored, silently */
    PROGRAM_OTHER_LIBC, /* musl or another loader */
    PROGRAM_OTHER_ARCH, /* 32-bit or another machine */
    PROGRAM_SANITIZED,  /* needs a sanitizer's runtime to come first */
    PROGRAM_SET_ID,     /* set-uid or set-gid: the loader ignores us */
    PROGRAM_UNKNOWN     /* none of these: a text without #!, an empty file */
};

/* path: borrowed. interpreter: NULL, or a buffer of `capacity` bytes that receives the #!
 * interpreter's path. May change errno. */
enum program_kind program_kind(const char *path, char *interpreter, size_t capacity);

/* May an exec of this keep the preload? (Scripts are judged by their interpreter, to a depth of 4.)
 */
bool program_carries(const char *path);

/* Does a value of LD_PRELOAD (entries parted by colons and spaces) name a sanitizer's runtime,
 * which must come first of all? Reads no file. */
bool preload_sanitizes(const char *value);

#endif
