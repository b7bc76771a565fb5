/* Bytes, files, checksums (input.h). Why one nameless file that is filled again: making one is half
 * the time of a small input. */
#include "tests/fuzz/input.h"

#include "format/crc32.h"
#include "format/part.h"
#include "format/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

uint64_t input_number(struct input *in, unsigned bytes)
{
    uint64_t number = 0;
    for (unsigned i = 0; i < bytes && in->at < in->end; i++)
        number |= (uint64_t)*in->at++ << 8 * i;
    return number;
}

const uint8_t *input_bytes(struct input *in, size_t wanted, size_t *got)
{
    const uint8_t *at = in->at;
    *got = wanted < (size_t)(in->end - at) ? wanted : (size_t)(in->end - at);
    in->at += *got;
    return at;
}

void must(bool good)
{
    if (!good)
        abort();
}

static void mend_names(uint8_t *part, uint32_t size, size_t left)
{
    if (size > left || size < TAG_BYTES + 4)
        return;
    put_u32(part + size - 4, crc32_update(0, part, size - 4));
}

void mend_checksums(uint8_t *bytes, size_t size)
{
    for (size_t at = 0; at + TRAILER_TABLE_BYTES <= size; at++) {
        if (bytes[at] != 'M' || bytes[at + 1] != 'R')
            continue;
        uint32_t tag = get_u32(bytes + at);
        size_t left = size - at;
        if (tag == TAG_HEADER && left >= HEADER_TABLE_BYTES) {
            uint32_t args = get_u32(bytes + at + 12);
            size_t table = get_u16(bytes + at + 6);
            if (table <= left && args <= left - table)
                put_u32(bytes + at + 60,
                        crc32_update(crc32_update(0, bytes + at, 60), bytes + at + table, args));
        }
        if (tag == TAG_BLOCK && left >= BLOCK_TABLE_BYTES)
            put_u32(bytes + at + 92, crc32_update(0, bytes + at, 92));
        if (tag == TAG_TRAILER)
            put_u32(bytes + at + 44, crc32_update(0, bytes + at, 44));
        if (tag == TAG_NAMES && at >= 4)
            mend_names(bytes + at, get_u32(bytes + at - 4), left);
    }
}

int input_file(unsigned number, const uint8_t *bytes, size_t size, char path[INPUT_PATH])
{
    static int fds[INPUT_FILES];
    must(number < INPUT_FILES);
    if (!fds[number])
        fds[number] = memfd_create("fuzzed", MFD_CLOEXEC);
    int fd = fds[number];
    must(fd > 0 && ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
    must(pwrite(fd, bytes, size, 0) == (ssize_t)size);
    if (path)
        snprintf(path, INPUT_PATH, "/proc/self/fd/%d", fd);
    return fd;
}
