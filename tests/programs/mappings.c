/* mappings SCENARIO [FILE]: mmap and its kin, one known history each. Sizes in MiB, so that sums
 * can be read. Why no stdio: nothing but the scenario may allocate. Huge pages are off, so that
 * what is touched is what is resident. Where residency must have been sampled, `sampled` waits for
 * many of the collector's rounds; or the unmapping tells it at the latest. Exit status 0: the
 * kernel behaved as the scenario expects; 1: it did not; 2: no such scenario. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MIB     ((size_t)1 << 20)
#define RW      (PROT_READ | PROT_WRITE)
#define PRIVATE (MAP_PRIVATE | MAP_ANONYMOUS)

static const char *file_name;
static void *volatile kept[64];

static int expect(int holds)
{
    if (!holds)
        _Exit(1);
    return 0;
}

static char *mapped(void *at, size_t length, int protection, int flags)
{
    char *address = mmap(at, length, protection, flags, -1, 0);
    expect(address != MAP_FAILED);
    return address;
}

static char *private(size_t mib) { return mapped(NULL, mib * MIB, RW, PRIVATE); }

static void touch(char *from, size_t length)
{
    for (size_t at = 0; at < length; at += 4096)
        ((volatile char *)from)[at] = 1;
}

static void sampled(void)
{
    struct timespec second = {.tv_sec = 1};
    nanosleep(&second, NULL);
}

static int private_kept(void) { return !private(3); }
static int private_unmapped(void) { return munmap(private(3), 3 * MIB); }
static int shared_kept(void) { return !mapped(NULL, 2 * MIB, RW, MAP_SHARED | MAP_ANONYMOUS); }

static int by_mmap64(void)
{
    return expect(mmap64(NULL, 5 * MIB, RW, PRIVATE, -1, 0) != MAP_FAILED);
}

static int odd_length(void) { return !mapped(NULL, 2 * MIB + 1, RW, PRIVATE); }

static int fixed_overlay_counts_once(void)
{
    char *base = private(4);
    for (int i = 0; i < 10; i++)
        expect(mapped(base, 4 * MIB, RW, PRIVATE | MAP_FIXED) == base);
    return 0;
}

static int fixed_overlay_in_part(void)
{
    char *base = private(6);
    expect(munmap(base + 4 * MIB, 2 * MIB) == 0);
    expect(mapped(base + 3 * MIB, 2 * MIB, RW, PRIVATE | MAP_FIXED) == base + 3 * MIB);
    return 0;
}

static int unmapped_in_the_middle(void) { return munmap(private(10) + 3 * MIB, 2 * MIB); }

static int unmapped_over_two(void)
{
    char *base = private(8);
    mapped(base + 4 * MIB, 4 * MIB, RW, PRIVATE | MAP_FIXED);
    expect(munmap(base + 3 * MIB, 2 * MIB) == 0);
    return munmap(base + 3 * MIB, 3 * MIB); /* 2 of these 3 are gone already */
}

static int unmap_fails(void)
{
    char *base = private(3);
    expect(munmap(base + 1, MIB) == -1 && errno == EINVAL);
    return expect(munmap(base, 0) == -1 && errno == EINVAL);
}

static int map_fails(void)
{
    errno = 0;
    return expect(mmap(NULL, (size_t)1 << 60, RW, PRIVATE, -1, 0) == MAP_FAILED && errno == ENOMEM);
}

static int noreplace_fails(void)
{
    char *base = private(3);
    errno = 0;
    return expect(mmap(base, MIB, RW, PRIVATE | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED &&
                  errno == EEXIST);
}

static int remap_grows(void)
{
    char *base = private(1);
    return expect(mremap(base, MIB, 8 * MIB, MREMAP_MAYMOVE) != MAP_FAILED);
}

static int remap_grows_by_moving(void)
{
    char *base = private(3); /* what lies behind the first MiB forces it to move */
    char *moved = mremap(base, MIB, 8 * MIB, MREMAP_MAYMOVE);
    return expect(moved != MAP_FAILED && moved != base);
}

static int remap_shrinks(void) { return expect(mremap(private(8), 8 * MIB, MIB, 0) != MAP_FAILED); }

static int remap_fixed_over_another(void)
{
    char *from = private(2), *to = private(3);
    return expect(mremap(from, 2 * MIB, 2 * MIB, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
}

static int remap_out_of_the_middle(void)
{
    char *from = private(6), *to = mapped(NULL, 2 * MIB, PROT_NONE, PRIVATE);
    expect(mremap(from + 2 * MIB, 2 * MIB, 2 * MIB, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
    return munmap(from, 6 * MIB);
}

static int remap_fails(void)
{
    char *base = private(3);
    errno = 0;
    return expect(mremap(base, MIB, 2 * MIB, 0) == MAP_FAILED && errno == ENOMEM);
}

static int remap_leaves_the_old(void)
{
#ifndef MREMAP_DONTUNMAP
#    define MREMAP_DONTUNMAP 4
#endif
    char *from = private(2),
         *to = mremap(from, 2 * MIB, 2 * MIB, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
    expect(to != MAP_FAILED);
    touch(to, 2 * MIB);
    sampled();
    return 0;
}

static int reservation_made_usable_in_part(void)
{
    char *base = mapped(NULL, 64 * MIB, PROT_NONE, PRIVATE);
    return mprotect(base + 10 * MIB, 3 * MIB, RW);
}

static int reservation_made_readable(void)
{
    char *base = mapped(NULL, 64 * MIB, PROT_NONE, PRIVATE);
    return mprotect(base, 64 * MIB, PROT_READ);
}

static int usable_made_inaccessible(void) { return mprotect(private(3), 3 * MIB, PROT_NONE); }

static int mprotect_fails(void)
{
    char *base = mapped(NULL, 3 * MIB, PROT_NONE, PRIVATE);
    return expect(mprotect(base + 1, MIB, RW) == -1);
}

static int noreserve_counts_what_is_touched(void)
{
    char *base = mapped(NULL, 1024 * MIB, RW, PRIVATE | MAP_NORESERVE);
    touch(base + 5 * MIB, 80 * MIB);
    sampled();
    return 0;
}

static int noreserve_unmapped_at_once(void)
{
    char *base = mapped(NULL, 1024 * MIB, RW, PRIVATE | MAP_NORESERVE);
    touch(base + 5 * MIB, 80 * MIB);
    return munmap(base, 1024 * MIB);
}

static int noreserve_never_touched(void)
{
    mapped(NULL, 1024 * MIB, RW, PRIVATE | MAP_NORESERVE);
    sampled();
    return 0;
}

static int noreserve_stays_so_when_made_writable(void)
{
    char *base = mapped(NULL, 1024 * MIB, PROT_NONE, PRIVATE | MAP_NORESERVE);
    expect(mprotect(base, 512 * MIB, RW) == 0);
    touch(base, 16 * MIB);
    sampled();
    return 0;
}

static int noreserve_given_back(void)
{
    char *base = mapped(NULL, 1024 * MIB, RW, PRIVATE | MAP_NORESERVE);
    touch(base, 40 * MIB);
    sampled();
    return madvise(base, 1024 * MIB, MADV_DONTNEED);
}

static int touched_in_part(void)
{
    char *base = private(64);
    touch(base, 16 * MIB);
    sampled();
    return 0;
}

static int map_file(int flags)
{
    int fd = open(file_name, O_RDWR);
    expect(fd >= 0);
    char *base = mmap(NULL, 5 * MIB, RW, flags, fd, 0);
    expect(base != MAP_FAILED);
    kept[0] = malloc(1000);
    return close(fd);
}

static int file_private(void) { return map_file(MAP_PRIVATE); }
static int file_shared(void) { return map_file(MAP_SHARED); }

static int memfd(void)
{
    int fd = memfd_create("truth", 0);
    expect(fd >= 0 && ftruncate(fd, 6 * MIB) == 0);
    expect(mmap(NULL, 6 * MIB, RW, MAP_SHARED, fd, 0) != MAP_FAILED);
    kept[0] = malloc(1000);
    return 0;
}

static int dev_shm(void)
{
    static const char name[] = "/memrec-accuracy-test";
    int fd = shm_open(name, O_RDWR | O_CREAT, 0600);
    expect(fd >= 0 && shm_unlink(name) == 0 && ftruncate(fd, 7 * MIB) == 0);
    expect(mmap(NULL, 7 * MIB, RW, MAP_SHARED, fd, 0) != MAP_FAILED);
    kept[0] = malloc(1000);
    return 0;
}

static int dev_zero(void)
{
    int fd = open("/dev/zero", O_RDWR);
    return expect(mmap(NULL, 2 * MIB, RW, MAP_PRIVATE, fd, 0) != MAP_FAILED);
}

static int file_unmapped_before_the_peak(void)
{
    int fd = open(file_name, O_RDWR);
    char *base = mmap(NULL, 5 * MIB, RW, MAP_SHARED, fd, 0);
    expect(base != MAP_FAILED && munmap(base, 2 * MIB) == 0);
    kept[0] = malloc(1000);
    return 0;
}

static int overlay_of_a_file(void)
{
    char *base = private(5);
    int fd = open(file_name, O_RDWR);
    expect(mmap(base, 2 * MIB, RW, MAP_PRIVATE | MAP_FIXED, fd, 0) == base);
    return 0;
}

static int break_grows_and_shrinks(void)
{
    expect(sbrk(4 * MIB) != (void *)-1);
    expect(sbrk(-(intptr_t)MIB) != (void *)-1);
    return 0;
}

static int break_set(void)
{
    char *now = sbrk(0);
    expect(brk(now + 3 * MIB) == 0);
    return expect(brk(now + 2 * MIB) == 0);
}

static int break_fails(void)
{
    return expect(sbrk((intptr_t)1 << 60) == (void *)-1 && errno == ENOMEM);
}

static int big_block_touched_in_part(void)
{
    char *block = kept[0] = malloc(64 * MIB);
    touch(block + 4096, 16 * MIB);
    sampled();
    return 0;
}

static int big_block_freed_at_once(void)
{
    char *block = kept[0] = malloc(64 * MIB);
    touch(block + 4096, 16 * MIB);
    free(block);
    return 0;
}

static const struct scenario {
    const char *name;
    int (*run)(void);
} scenarios[] = {
#define SCENARIO(name)                                                                             \
    {                                                                                              \
#        name, name                                                                                \
    }
    SCENARIO(private_kept),
    SCENARIO(private_unmapped),
    SCENARIO(shared_kept),
    SCENARIO(by_mmap64),
    SCENARIO(odd_length),
    SCENARIO(fixed_overlay_counts_once),
    SCENARIO(fixed_overlay_in_part),
    SCENARIO(unmapped_in_the_middle),
    SCENARIO(unmapped_over_two),
    SCENARIO(unmap_fails),
    SCENARIO(map_fails),
    SCENARIO(noreplace_fails),
    SCENARIO(remap_grows),
    SCENARIO(remap_grows_by_moving),
    SCENARIO(remap_shrinks),
    SCENARIO(remap_fixed_over_another),
    SCENARIO(remap_out_of_the_middle),
    SCENARIO(remap_fails),
    SCENARIO(remap_leaves_the_old),
    SCENARIO(reservation_made_usable_in_part),
    SCENARIO(reservation_made_readable),
    SCENARIO(usable_made_inaccessible),
    SCENARIO(mprotect_fails),
    SCENARIO(noreserve_counts_what_is_touched),
    SCENARIO(noreserve_unmapped_at_once),
    SCENARIO(noreserve_never_touched),
    SCENARIO(noreserve_stays_so_when_made_writable),
    SCENARIO(noreserve_given_back),
    SCENARIO(touched_in_part),
    SCENARIO(file_private),
    SCENARIO(file_shared),
    SCENARIO(memfd),
    SCENARIO(dev_shm),
    SCENARIO(dev_zero),
    SCENARIO(file_unmapped_before_the_peak),
    SCENARIO(overlay_of_a_file),
    SCENARIO(break_grows_and_shrinks),
    SCENARIO(break_set),
    SCENARIO(break_fails),
    SCENARIO(big_block_touched_in_part),
    SCENARIO(big_block_freed_at_once),
};

int main(int argc, char **argv)
{
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    file_name = argc > 2 ? argv[2] : "";
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
        if (argc > 1 && !strcmp(argv[1], scenarios[i].name))
            return scenarios[i].run();
    return 2;
}
