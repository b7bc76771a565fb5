// own_malloc: a program with an allocator of its own in place of malloc, as those that link
// jemalloc have: it takes its memory by mmap, mremap and sbrk under a lock that its own thread must
// not take twice, first from a library's constructor (libstdc++'s). Prints how many pieces it
// mapped, and whether its blocks hold what was written.
// build-flags: -rdynamic
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

// A second lock by the same thread waits for ever.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *piece;
static size_t used, piece_bytes, served, mapped;

static char *map(size_t bytes, int protection)
{
    void *at = mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return static_cast<char *>(at);
}

static void first_piece()
{
    const size_t page = 4096;
    piece_bytes = 1 << 20;
    char *reserved = map(2 * piece_bytes, PROT_NONE);
    mprotect(reserved, piece_bytes, PROT_READ | PROT_WRITE);
    madvise(reserved, page, MADV_DONTNEED);
    munmap(reserved + piece_bytes, piece_bytes);
    piece = static_cast<char *>(mremap(reserved, piece_bytes, 2 * piece_bytes, MREMAP_MAYMOVE));
    piece_bytes *= 2;
    mapped = piece_bytes;
    char *from = static_cast<char *>(sbrk(0));
    if (sbrk(page) != from || brk(from) != 0 || sbrk(0) != from)
        _exit(3);
}

extern "C" void *memalign(size_t to, size_t bytes)
{
    pthread_mutex_lock(&lock);
    if (!piece)
        first_piece();
    size_t at = (used + 16 + to - 1) / to * to;
    if (at + bytes > piece_bytes) {
        piece = map(piece_bytes, PROT_READ | PROT_WRITE);
        mapped += piece_bytes;
        at = to < 16 ? 16 : to;
    }
    char *block = piece + at;
    memcpy(block - 8, &bytes, sizeof bytes);
    used = at + bytes;
    served += bytes;
    pthread_mutex_unlock(&lock);
    return block;
}

extern "C" void *malloc(size_t bytes) { return memalign(16, bytes); }
extern "C" void free(void *) {}

extern "C" void *calloc(size_t count, size_t bytes)
{
    return memset(malloc(count * bytes), 0, count * bytes);
}

extern "C" void *realloc(void *old, size_t bytes)
{
    size_t before = 0;
    if (old)
        memcpy(&before, static_cast<char *>(old) - 8, sizeof before);
    void *block = malloc(bytes);
    return old ? memcpy(block, old, before < bytes ? before : bytes) : block;
}

int main()
{
    std::vector<std::vector<char>> kept;
    for (int i = 0; i < 1000; i++)
        kept.emplace_back(10000, 'x');
    bool whole = served > 10000 * 1000 && kept[999][9999] == 'x';
    printf("%zu pieces, every block whole: %d\n", mapped / piece_bytes, whole);
}
