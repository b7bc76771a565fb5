/* Answering new images (serve.h). A question is one packet, read when it has come: nobody holds up
 * the others between connecting and asking, be it stopped or on a machine that is busy. */
#define _GNU_SOURCE
#include "recorder/collector/serve.h"
#include "recorder/collector/clock.h"
#include "recorder/collector/control.h"
#include "recorder/failpoint.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* So long somebody who has connected may take to ask. */
#define QUESTION_LIMIT_NS UINT64_C(10000000000)
/* So many may be about to ask; others wait at the door. */
#define CALLERS_MAX     64
#define CALLERS_STEP_MS 100

struct serve {
    struct shared *shared;
    struct pending *pending;
    int listener, control;
    int stop[2]; /* a pipe that ends the thread */
    _Atomic uint32_t root_pid;
    pthread_t thread;
    pthread_mutex_t lock;
    struct newcomer { /* under the lock */
        bool fresh;   /* introduced, not taken yet */
        struct introduction intro;
        struct proc_image image;
    } newcomers[SLOT_LIMIT];
    struct caller { /* has connected, and not asked yet; the thread's own */
        int peer;
        uint64_t since_ns;
    } callers[CALLERS_MAX]; /* who came first, first */
    nfds_t calling;
};

/* Ours to record: the same user, root, or a process below the program (after a change of user). */
static bool may_attach(const struct serve *s, const struct ucred *peer)
{
    uint32_t root = atomic_load(&s->root_pid), pid = (uint32_t)peer->pid;
    if (peer->uid == getuid() || peer->uid == 0)
        return true;
    for (unsigned step = 0; step < ANCESTOR_STEPS && pid > 1; step++, pid = proc_parent(pid))
        if (pid == root)
            return true;
    return false;
}

static struct process_slot *claim_slot(struct serve *s, uint32_t *index)
{
    struct shm_control *control = s->shared->control;
    for (uint32_t i = 0; i < SLOT_LIMIT; i++) {
        uint32_t expected = SLOT_FREE;
        if (atomic_compare_exchange_strong(&control->slots[i].state, &expected, SLOT_CLAIMED)) {
            *index = i;
            shm_raise(&control->header.slot_high, i + 1);
            return &control->slots[i];
        }
    }
    return NULL;
}

static void refuse(struct serve *s, const struct rendezvous_ask *question)
{
    struct control message = {.kind = CONTROL_REFUSED};
    memcpy(message.text, question->text, sizeof question->text);
    send(s->control, &message, sizeof message, MSG_NOSIGNAL);
}

static void answer_attach(struct serve *s, const struct rendezvous_ask *question, uint32_t pid,
                          struct rendezvous_reply *reply)
{
    uint32_t flags = s->shared->control->header.flags, index;
    bool unreadable = question->verdict == PYTHON_UNKNOWN || question->verdict == PYTHON_MISMATCH;
    if (unreadable && flags & SHM_STACKS && pid == atomic_load(&s->root_pid)) {
        refuse(s, question);
        reply->answer = ANSWER_REFUSED;
        return;
    }
    struct process_slot *slot = FAILPOINT(serve_slot, claim_slot(s, &index), NULL);
    if (!slot) {
        atomic_fetch_add(&s->shared->turned_away, 1);
        return;
    }
    if (question->verdict != PYTHON_KNOWN)
        flags &= ~(uint32_t)SHM_STACKS;
    if (question->verdict == PYTHON_NONE)
        flags &= ~(uint32_t)SHM_OBJECTS;
    struct introduction intro = {.flags = flags, .verdict = question->verdict, .pid = pid};
    memcpy(intro.text, question->text, sizeof intro.text);
    for (uint32_t step = 0, up = pid; step < ANCESTOR_STEPS && up > 1; step++)
        intro.ancestors[step] = up = proc_parent(up);
    intro.serial = atomic_fetch_add(&s->shared->control->header.next_serial, 1);
    serve_introduce(s, index, &intro, proc_image(pid));
    slot->pid = pid;
    slot->parent_serial = 0;
    slot->serial = intro.serial;
    atomic_store_explicit(&slot->state, SLOT_LIVE, memory_order_release);
    reply->answer = ANSWER_RECORD;
    reply->slot = index;
    reply->flags = flags;
}

static void send_reply(const struct serve *s, int peer, struct rendezvous_reply *reply,
                       bool with_file)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec part = {reply, sizeof *reply};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (with_file) {
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &s->shared->fd, sizeof(int));
    }
    FAILPOINT(serve_reply, sendmsg(peer, &message, MSG_NOSIGNAL | MSG_DONTWAIT), -1);
}

/* Answers one question. Returns false when the connection is no longer ours. */
static bool answer(struct serve *s, int peer)
{
    struct rendezvous_ask question;
    struct rendezvous_reply reply = {.magic = RENDEZVOUS_MAGIC, .answer = ANSWER_INERT};
    struct ucred who;
    socklen_t length = sizeof who;
    if (FAILPOINT(serve_peer, getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &who, &length), -1) != 0 ||
        FAILPOINT(serve_question, recv(peer, &question, sizeof question, MSG_DONTWAIT), -1) !=
            (ssize_t)sizeof question) {
        atomic_fetch_add(&s->shared->turned_away, 1);
        return true;
    }
    if (question.magic != RENDEZVOUS_MAGIC)
        return true;
    question.text[sizeof question.text - 1] = 0;
    bool allowed = may_attach(s, &who) && atomic_load(&s->shared->control->header.recording);
    reply.root_pid = atomic_load(&s->root_pid);
    if (allowed && question.question == ASK_ATTACH)
        answer_attach(s, &question, (uint32_t)who.pid, &reply);
    if (allowed && question.question == ASK_WHO)
        reply.answer = ANSWER_RUNS;
    if (allowed && question.question == ASK_MARK && s->pending && *question.text &&
        pending_put(s->pending, peer, question.text))
        return false;
    bool chunk = question.question == ASK_FILE && shared_back_chunk(s->shared, question.chunk);
    bool file = allowed && (reply.answer == ANSWER_RECORD || chunk);
    send_reply(s, peer, &reply, file);
    return true;
}

static void admit(struct serve *s)
{
    int peer = FAILPOINT(serve_accept, accept4(s->listener, NULL, NULL, SOCK_CLOEXEC), -1);
    if (peer >= 0)
        s->callers[s->calling++] = (struct caller){peer, clock_ns(CLOCK_MONOTONIC)};
    else
        poll(NULL, 0, 10); /* no descriptor to be had: not at full speed */
}

/* Answers who has asked, and lets go who has not in all that time. */
static void attend(struct serve *s, const struct pollfd *watch)
{
    nfds_t kept = 0;
    for (nfds_t i = 0; i < s->calling; i++) {
        struct caller caller = s->callers[i];
        bool late = clock_ns(CLOCK_MONOTONIC) - caller.since_ns > QUESTION_LIMIT_NS;
        if (!watch[i].revents && !late)
            s->callers[kept++] = caller;
        else if (answer(s, caller.peer))
            close(caller.peer);
    }
    s->calling = kept;
}

static void *work(void *context)
{
    struct serve *s = context;
    struct pollfd watch[CALLERS_MAX + 2];
    for (;;) {
        nfds_t calling = s->calling;
        for (nfds_t i = 0; i < calling; i++)
            watch[i] = (struct pollfd){.fd = s->callers[i].peer, .events = POLLIN};
        struct pollfd *stop = &watch[calling], *door = stop + 1;
        *stop = (struct pollfd){.fd = s->stop[0], .events = POLLIN};
        *door = (struct pollfd){.fd = calling < CALLERS_MAX ? s->listener : -1, .events = POLLIN};
        if (poll(watch, calling + 2, calling ? CALLERS_STEP_MS : -1) < 0)
            continue;
        if (stop->revents)
            return NULL;
        attend(s, watch);
        if (door->revents)
            admit(s);
    }
}

int serve_start(struct serve **out, struct shared *shared, int listener, int control,
                struct pending *pending, struct err *err)
{
    struct serve *s = FAILPOINT(serve_memory, calloc(1, sizeof *s), NULL);
    if (!s || FAILPOINT(serve_pipe, pipe2(s->stop, O_CLOEXEC), -1) != 0) {
        free(s);
        return err_set(err, ERR_NOMEM, "no memory for the rendezvous");
    }
    s->shared = shared;
    s->pending = pending;
    s->listener = listener;
    s->control = control;
    pthread_mutex_init(&s->lock, NULL);
    if (FAILPOINT(serve_thread, pthread_create(&s->thread, NULL, work, s), -1) != 0) {
        free(s);
        return err_set(err, ERR_SYSTEM, "the rendezvous thread could not be started");
    }
    *out = s;
    return 0;
}

void serve_stop(struct serve *s)
{
    close(s->stop[1]);
    pthread_join(s->thread, NULL);
    for (nfds_t i = 0; i < s->calling; i++)
        close(s->callers[i].peer);
    close(s->stop[0]);
    close(s->listener);
    for (uint32_t i = 0; i < SLOT_LIMIT; i++)
        proc_image_release(&s->newcomers[i].image);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

void serve_set_root(struct serve *s, uint32_t pid) { atomic_store(&s->root_pid, pid); }

void serve_introduce(struct serve *s, uint32_t slot, const struct introduction *intro,
                     struct proc_image image)
{
    struct newcomer *newcomer = &s->newcomers[slot];
    pthread_mutex_lock(&s->lock);
    proc_image_release(&newcomer->image);
    *newcomer = (struct newcomer){true, *intro, image};
    pthread_mutex_unlock(&s->lock);
}

bool serve_take(struct serve *s, uint32_t slot, struct introduction *intro,
                struct proc_image *image)
{
    struct newcomer *newcomer = &s->newcomers[slot];
    pthread_mutex_lock(&s->lock);
    bool fresh = newcomer->fresh;
    if (fresh) {
        *intro = newcomer->intro;
        *image = newcomer->image;
        newcomer->image = (struct proc_image){0};
        newcomer->fresh = false;
    }
    pthread_mutex_unlock(&s->lock);
    return fresh;
}
