/* Bytes through a descriptor, however many calls it takes. Why: a signal or a full pipe may cut any
 * of them short. Invariants: nothing is read beyond the length; errno tells why something failed.
 * Not here: opening, closing. Thread-safe. */
#ifndef REPLAY_DESCRIPTOR_H
#define REPLAY_DESCRIPTOR_H

#include <stdbool.h>
#include <stddef.h>

/* Writes all of the bytes. False: it failed, and some of them may have been written. */
bool descriptor_write(int fd, const void *bytes, size_t length);
/* The same to a socket whose other end may be gone: no SIGPIPE. */
bool descriptor_send(int fd, const void *bytes, size_t length);
/* Reads up to length bytes. Returns how many; fewer only at the end or where reading failed. */
size_t descriptor_read(int fd, void *bytes, size_t length);

#endif
