/* Pieces of memory with the words of events in a row, the oldest first (early.h). The first piece
 * is static, and mostly enough. */
#define _GNU_SOURCE
#include "recorder/preload/early.h"
#include "recorder/preload/emit.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FIRST_WORDS 1024u
#define PIECE_WORDS (32768u - 4) /* 256 KiB: some 10,000 allocations with their frees */
#define PIECES      256u
#define TRIES       10000u

struct piece {
    struct piece *next;
    uint64_t capacity, used; /* words */
    uint64_t *words;         /* behind the piece itself, but for the first one's */
};

static uint64_t first_words[FIRST_WORDS];
static struct piece first = {.capacity = FIRST_WORDS, .words = first_words};

_Atomic bool early = true;
static atomic_flag taken = ATOMIC_FLAG_INIT;
static struct piece *last = &first;
static uint32_t piece_count;
static uint32_t pid;  /* of the process whose events these are */
static uint64_t lost; /* events without a place */

/* Words of an event; 0: nothing that is kept. */
static unsigned words_of(uint64_t head)
{
    switch (head >> 56) {
    case RING_FREE:
    case RING_FREE_NESTED:
    case RING_UNDO_FREE:
    case RING_ALLOC:
    case RING_UNMAP:
    case RING_PROTECT:
    case RING_DISCARD:
    case RING_ALLOC_BIG:
    case RING_FAILED:
    case RING_MAP:
    case RING_REMAP: return ring_words((unsigned)(head >> 56));
    default: return 0;
    }
}

static bool take(void)
{
    for (unsigned i = 0; i < TRIES; i++)
        if (!atomic_flag_test_and_set(&taken))
            return true;
    return false;
}

static bool add_piece(void)
{
    size_t bytes = sizeof(struct piece) + PIECE_WORDS * sizeof(uint64_t);
    if (piece_count == PIECES)
        return false;
    struct piece *fresh =
        raw_mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (fresh == MAP_FAILED)
        return false;
    fresh->capacity = PIECE_WORDS;
    fresh->words = (uint64_t *)(fresh + 1);
    last->next = fresh;
    last = fresh;
    piece_count++;
    return true;
}

static bool keep(const uint64_t *words, unsigned count)
{
    if (!pid)
        pid = (uint32_t)syscall(SYS_getpid);
    if (last->used + count > last->capacity && !add_piece())
        return false;
    memcpy(last->words + last->used, words, count * sizeof *words);
    last->used += count;
    return true;
}

void early_keep(const uint64_t *words, unsigned count)
{
    int saved = errno;
    if (count != words_of(words[0]))
        return;
    if (!take()) {
        __atomic_fetch_add(&lost, 1, __ATOMIC_RELAXED);
        return;
    }
    if (!keep(words, count))
        __atomic_fetch_add(&lost, 1, __ATOMIC_RELAXED);
    atomic_flag_clear(&taken);
    errno = saved;
}

static void write_piece(const struct piece *piece)
{
    for (uint64_t at = 0; at < piece->used;) {
        unsigned count = words_of(piece->words[at]);
        emit_words(&thread_self, piece->words + at, count);
        at += count;
    }
}

void early_write(void)
{
    if (pid != (uint32_t)syscall(SYS_getpid)) /* our parent's, which forked us before its own join
                                               */
        return;
    for (const struct piece *piece = &first; piece; piece = piece->next)
        write_piece(piece);
    atomic_fetch_add_explicit(&process.slot->no_ring, lost, memory_order_relaxed);
}

void early_end(void)
{
    atomic_store(&early, false);
    atomic_store(process_gate, 0);
}

void early_release(void)
{
    struct piece *piece = first.next;
    first.next = NULL;
    while (piece) {
        struct piece *next = piece->next;
        syscall(SYS_munmap, piece, sizeof *piece + piece->capacity * sizeof(uint64_t));
        piece = next;
    }
}
