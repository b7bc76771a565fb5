/* How a new image finds the collector: one abstract SOCK_SEQPACKET socket, whose random name
 * travels in the environment. Why abstract: it exists in no folder, so chroot and mounts don't hide
 * it and nothing stays behind. Why a socket: it hands over the shared file's descriptor to whoever
 * may have it, and tells who asks (SO_PEERCRED). One question and one answer a connection. Not
 * here: what is shared (ring.h). */
#ifndef RECORDER_RENDEZVOUS_H
#define RECORDER_RENDEZVOUS_H

#include <stdint.h>

/* MEMREC=<socket name>,<children>,<root pid>,<root any>: children a|p|n, root any 1 if the root is
 * recorded though it is no Python. */
#define RENDEZVOUS_VARIABLE "MEMREC"
#define RENDEZVOUS_MAGIC    0x6D727632u

#define RENDEZVOUS_SOCKET_PREFIX "memrec-"
#define RENDEZVOUS_SOCKET_BYTES  48 /* of a socket's name with its NUL */
#define RENDEZVOUS_TEXT_BYTES    256

enum rendezvous_question {
    ASK_ATTACH = 1, /* a new image wants to be recorded: a slot, the file */
    ASK_FILE,       /* a recorded process wants to map another chunk */
    ASK_MARK,       /* `memrec mark`: text is the name; answered when it stands in the trace */
    ASK_WHO         /* which recording is this? */
};

enum rendezvous_verdict {
    PYTHON_NONE,    /* no Python in the image */
    PYTHON_KNOWN,   /* its layout is in the table and its static facts agree */
    PYTHON_UNKNOWN, /* no row for this version */
    PYTHON_MISMATCH /* the version is known, its layout is another one */
};

struct rendezvous_ask {
    uint32_t magic, question;
    uint32_t pid; /* as the asker sees itself */
    union {
        uint32_t verdict; /* ATTACH: enum rendezvous_verdict */
        uint32_t chunk;   /* FILE: which */
    };
    char text[RENDEZVOUS_TEXT_BYTES]; /* ATTACH: version, or what does not fit; MARK: name.
                                         NUL-terminated. */
};

enum rendezvous_answer {
    ANSWER_RECORD = 1, /* descriptor attached; slot is yours */
    ANSWER_INERT,      /* not this one: go on as if we were not there */
    ANSWER_REFUSED,    /* the root will be ended before its first line: wait for it */
    ANSWER_MARKED,     /* the mark stands in the trace, at time_ns */
    ANSWER_RUNS        /* to WHO */
};

struct rendezvous_reply {
    uint32_t magic, answer;
    uint32_t slot;     /* ATTACH */
    uint32_t flags;    /* enum shm_flag that apply to this process */
    uint32_t root_pid; /* MARK, WHO: the program, as the collector sees it */
    uint32_t zero;
    uint64_t time_ns; /* MARK: since the trace's start */
};

#endif
