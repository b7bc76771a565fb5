/* CRC-32 (IEEE 802.3, reflected, as in zlib and gzip): the checksum of headers and payloads
 * (FORMAT.md 1.1 to 1.3). Why our own: the one function of zlib that we would link. Thread-safe. */
#ifndef FORMAT_CRC32_H
#define FORMAT_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* CRC of `length` bytes continuing from `crc` (0 to start). crc32_update(0, "123456789", 9) is
 * 0xCBF43926. */
uint32_t crc32_update(uint32_t crc, const void *bytes, size_t length);

#endif
