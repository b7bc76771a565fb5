/* The state of this process as a recorded one (process.h). */
#define _GNU_SOURCE
#include "recorder/preload/process.h"
#include "recorder/failpoint.h"
#include "recorder/preload/emit.h"
#include "recorder/preload/native.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct process_slot no_slot; /* for what is counted before we have one */
struct process process = {.slot = &no_slot};
__thread struct thread thread_self __attribute__((tls_model("initial-exec")));

static _Atomic uint32_t first_gate = 1; /* early.h */
_Atomic uint32_t *process_gate = &first_gate;

void *raw_mmap(void *address, size_t bytes, int protection, int flags, int fd, int64_t offset)
{
    return (void *)syscall(SYS_mmap, address, bytes, protection, flags, fd, offset);
}

long raw_futex(_Atomic uint32_t *word, int operation, uint32_t value,
               const struct timespec *timeout)
{
    return syscall(SYS_futex, word, operation, value, timeout, NULL, 0);
}

bool process_sees_collector(void)
{
    return syscall(SYS_kill, process.control->header.collector_pid, 0) == 0 || errno != ESRCH;
}

bool process_open(void)
{
    process.collector_seen = process_sees_collector();
    void *page = FAILPOINT(
        gate_map, raw_mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
        MAP_FAILED);
    if (page == MAP_FAILED ||
        FAILPOINT(gate_wipe, syscall(SYS_madvise, page, 4096, MADV_WIPEONFORK), -1) != 0)
        return false;
    process_gate = page;
    process.open = true;
    atomic_store(process_gate, 1);
    return true;
}

void process_give_up(enum reason why)
{
    process.open = false;
    atomic_store(process_gate, 0);
    uint32_t none = REASON_NONE;
    if (process.slot)
        atomic_compare_exchange_strong(&process.slot->gave_up, &none, (uint32_t)why);
}

static uint64_t deep_before; /* walks cut short before this process was forked */

void process_tell_losses(void)
{
    struct walk_losses losses;
    struct native_losses native;
    if (!process.slot)
        return;
    walk_losses(&losses);
    atomic_store_explicit(&process.slot->deep_stacks, losses.truncated - deep_before,
                          memory_order_relaxed);
    native_losses(&native);
    atomic_store_explicit(&process.slot->native_cut, native.cut, memory_order_relaxed);
    atomic_store_explicit(&process.slot->native_lost, native.lost, memory_order_relaxed);
}

static struct process_slot *claim_slot(uint32_t *index)
{
    for (uint32_t i = 0; i < SLOT_LIMIT; i++) {
        struct process_slot *slot = &process.control->slots[i];
        uint32_t expected = SLOT_FREE;
        if (atomic_load_explicit(&slot->state, memory_order_relaxed) == SLOT_FREE &&
            atomic_compare_exchange_strong(&slot->state, &expected, SLOT_CLAIMED)) {
            *index = i;
            shm_raise(&process.control->header.slot_high, i + 1);
            return slot;
        }
    }
    return NULL;
}

/* What the child has inherited but is its parent's: ring and slot. Nodes and the mapping stay good.
 */
static bool become_child(void)
{
    struct process_slot *parent = process.slot;
    uint32_t parent_serial = process.serial;
    struct walk_losses losses;
    walk_losses(&losses);
    deep_before = losses.truncated;
    emit_after_fork();
    walk_after_fork();
    bool alone = process.flags & SHM_ROOT_ONLY;
    struct process_slot *slot =
        alone ? NULL : FAILPOINT(slot_claim, claim_slot(&process.slot_index), NULL);
    if (slot) {
        process.pid = slot->pid = (uint32_t)getpid();
        slot->serial = atomic_fetch_add(&process.control->header.next_serial, 1);
        slot->parent_serial = parent_serial;
        atomic_store(&slot->joined, 1);
        atomic_store(&slot->python, atomic_load(&parent->python));
        process.serial = slot->serial;
        atomic_store(&slot->state, SLOT_LIVE);
    } else if (!alone) {
        atomic_fetch_add(&parent->no_ring, 1);
    }
    if (thread_self.fork_announced)
        atomic_fetch_sub(&parent->forks_open, 1);
    thread_self.fork_announced = false;
    process.collector_seen = process.collector_seen && process_sees_collector();
    process.root = process.unanswered = false;
    process.slot = slot;
    return slot;
}

bool process_gate_closed(void)
{
    atomic_thread_fence(memory_order_acquire); /* who sees the gate closed sees why */
    if (LIKELY(!process.open))
        return false;
    int saved = errno;
    process.open = false; /* a signal handler in here finds the gate closed */
    bool mine = become_child();
    if (mine) {
        process.open = true;
        atomic_store(process_gate, 1);
    }
    errno = saved;
    return mine;
}

void process_fork_prepare(void)
{
    struct thread *t = &thread_self;
    t->fork_announced = !t->busy && process_recording();
    if (!t->fork_announced)
        return;
    t->fork_locked = walk_fork_prepare();
    atomic_fetch_add(&process.slot->forks_open, 1);
}

void process_fork_parent(void)
{
    struct thread *t = &thread_self;
    if (!t->fork_announced)
        return;
    t->fork_announced = false;
    if (t->fork_locked)
        walk_fork_parent();
}

/* Private pages in place of shared ones; the old ones stay where there is no memory. */
static void make_private(void *at, size_t bytes)
{
    raw_mmap(at, bytes, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
}

void process_fork_child(void)
{
    if (!thread_self.busy || !process.open)
        return;
    int saved = errno;
    process.open = false;
    atomic_fetch_add(&process.slot->no_ring, 1);
    for (unsigned i = 0; i < CHUNK_LIMIT; i++)
        if (process.chunks[i])
            make_private(process.chunks[i], CHUNK_BYTES);
    make_private(process.control, CONTROL_BYTES);
    errno = saved;
}
