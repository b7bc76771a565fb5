/* Finding and asking recordings (running.h). Why the peer's credentials: anybody can make a socket
 * with such a name. */
#define _GNU_SOURCE
#include "recorder/collector/running.h"
#include "format/plain.h"

#include "recorder/collector/proc.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_SECONDS 20
#define PREFIX         RENDEZVOUS_SOCKET_PREFIX
#define ANCESTORS      64

static int connect_to(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = ANSWER_SECONDS};
    size_t length = strlen(name);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    memcpy(address.sun_path + 1, name, length);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&address,
                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length)) == 0)
        return fd;
    close(fd);
    return -1;
}

int running_ask(const char *socket, const struct rendezvous_ask *question,
                struct rendezvous_reply *reply, uint32_t owner[2])
{
    struct ucred who = {0};
    socklen_t length = sizeof who;
    int fd = connect_to(socket);
    if (fd < 0)
        return -1;
    bool answered = send(fd, question, sizeof *question, MSG_NOSIGNAL) == sizeof *question &&
                    recv(fd, reply, sizeof *reply, 0) == sizeof *reply &&
                    reply->magic == RENDEZVOUS_MAGIC &&
                    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &length) == 0;
    close(fd);
    if (owner) {
        owner[0] = who.uid;
        owner[1] = (uint32_t)who.pid;
    }
    return answered ? 0 : -1;
}

/* Takes a socket into the list, if it is a recording of ours that is not there yet. */
static bool look_at(const char *name, struct running *all, unsigned count)
{
    struct rendezvous_ask question = {.magic = RENDEZVOUS_MAGIC, .question = ASK_WHO};
    struct rendezvous_reply reply;
    uint32_t owner[2];
    for (unsigned i = 0; i < count; i++)
        if (!strcmp(all[i].socket, name))
            return false;
    question.pid = (uint32_t)getpid();
    if (running_ask(name, &question, &reply, owner) != 0 || owner[0] != geteuid() ||
        reply.answer != ANSWER_RUNS)
        return false;
    struct running *r = &all[count];
    *r = (struct running){.memrec_pid = owner[1], .root_pid = reply.root_pid};
    memcpy(r->socket, name, strlen(name));
    return true;
}

/* The name of a recording's socket in a line of /proc/net/unix, or NULL. */
static const char *socket_name(char *line)
{
    char *name = strstr(line, " @" PREFIX);
    if (!name)
        return NULL;
    name += 2;
    name[strcspn(name, "\n")] = 0;
    return strlen(name) < RENDEZVOUS_SOCKET_BYTES ? name : NULL;
}

unsigned running_list(struct running *all)
{
    FILE *file = fopen("/proc/net/unix", "re");
    char *line = NULL;
    size_t capacity = 0;
    unsigned count = 0;
    while (file && count < RUNNING_LIMIT && getline(&line, &capacity, file) > 0) {
        const char *name = socket_name(line);
        count += name && look_at(name, all, count);
    }
    free(line);
    if (file)
        fclose(file);
    return count;
}

/* The socket's name at the head of the variable's value. */
static bool take_name(const char *value, char *socket)
{
    size_t length = strcspn(value, ",");
    if (strncmp(value, PREFIX, sizeof PREFIX - 1) || value[length] != ',' ||
        length >= RENDEZVOUS_SOCKET_BYTES)
        return false;
    memcpy(socket, value, length);
    socket[length] = 0;
    return true;
}

bool running_of(uint32_t pid, char *socket)
{
    enum { MOST = 1 << 20 };
    const char *own = pid ? NULL : getenv(RENDEZVOUS_VARIABLE);
    if (!pid)
        return own && take_name(own, socket);
    char *text = malloc(MOST);
    size_t bytes = text ? proc_read(pid, "environ", text, MOST - 1) : 0;
    bool found = false;
    for (size_t at = 0; at < bytes && !found; at += strlen(text + at) + 1) {
        text[bytes] = 0;
        if (!strncmp(text + at, RENDEZVOUS_VARIABLE "=", sizeof RENDEZVOUS_VARIABLE))
            found = take_name(text + at + sizeof RENDEZVOUS_VARIABLE, socket);
    }
    free(text);
    return found;
}

bool running_has(const struct running *recording, uint32_t pid)
{
    if (pid == recording->memrec_pid)
        return true;
    for (unsigned step = 0; step < ANCESTORS && pid > 1; step++, pid = proc_parent(pid))
        if (pid == recording->root_pid)
            return true;
    return false;
}

void running_command(uint32_t pid, char *out, size_t capacity)
{
    size_t bytes = proc_read(pid, "cmdline", out, capacity - 1);
    while (bytes && !out[bytes - 1])
        bytes--;
    for (size_t i = 0; i < bytes; i++)
        out[i] = out[i] ? out[i] : ' ';
    out[bytes] = 0;
    plain_make(out, ' ');
}
