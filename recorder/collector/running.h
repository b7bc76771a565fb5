/* The recordings that run, as another process of the same user finds them: their sockets' names
 * stand in /proc/net/unix (proc(5)), and each tells who it records. Why no list of our own on disk:
 * nothing is to stay behind. Invariants: only recordings of the calling user are told; a recording
 * in another network namespace is not seen. Not here: what is asked of one (mark.h). Not
 * thread-safe. */
#ifndef RECORDER_COLLECTOR_RUNNING_H
#define RECORDER_COLLECTOR_RUNNING_H

#include "recorder/rendezvous.h"
#include <stdbool.h>
#include <stddef.h>

#define RUNNING_LIMIT 64

struct running {
    char socket[RENDEZVOUS_SOCKET_BYTES];
    uint32_t memrec_pid, root_pid; /* of `memrec run`, and of the program */
};

/* Fills all[RUNNING_LIMIT]; returns how many there are. */
unsigned running_list(struct running *all);
/* The recording that a process belongs to, as its environment says (it need not be recorded
 * itself); false where it says nothing. socket[RENDEZVOUS_SOCKET_BYTES]. pid 0: ourselves. */
bool running_of(uint32_t pid, char *socket);
/* Does the process belong to it, being memrec, the program, or below it? */
bool running_has(const struct running *recording, uint32_t pid);
/* The program's command, words divided by blanks, cut to fit and without control characters. */
void running_command(uint32_t pid, char *out, size_t capacity);

/* Asks one thing; returns 0, or -1 where nobody answers. *owner (may be NULL): the uid and pid of
 * who listens. */
int running_ask(const char *socket, const struct rendezvous_ask *question,
                struct rendezvous_reply *reply, uint32_t owner[2]);

#endif
