/* CRC-32 by eight bytes a step ("slicing by 8"): tables[k][b] is the CRC of byte b followed by k
 * zero bytes. Why built at load: 8 KiB of constants are no source text, and a constructor runs
 * before any thread. */
#include "format/crc32.h"
#include "format/wire.h"

#define POLYNOMIAL 0xEDB88320u /* reflected 0x04C11DB7 */

static uint32_t tables[8][256];

__attribute__((constructor)) static void build_tables(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1 ? POLYNOMIAL : 0);
        tables[0][byte] = crc;
    }
    for (int k = 1; k < 8; k++)
        for (int byte = 0; byte < 256; byte++)
            tables[k][byte] = (tables[k - 1][byte] >> 8) ^ tables[0][tables[k - 1][byte] & 0xFF];
}

static uint32_t eight_bytes(uint32_t crc, const uint8_t *in)
{
    uint32_t low = crc ^ get_u32(in), high = get_u32(in + 4);
    return tables[7][low & 0xFF] ^ tables[6][low >> 8 & 0xFF] ^ tables[5][low >> 16 & 0xFF] ^
           tables[4][low >> 24] ^ tables[3][high & 0xFF] ^ tables[2][high >> 8 & 0xFF] ^
           tables[1][high >> 16 & 0xFF] ^ tables[0][high >> 24];
}

uint32_t crc32_update(uint32_t crc, const void *bytes, size_t length)
{
    const uint8_t *in = bytes;
    crc = ~crc;
    for (; length >= 8; length -= 8, in += 8)
        crc = eight_bytes(crc, in);
    for (; length; length--)
        crc = (crc >> 8) ^ tables[0][(crc ^ *in++) & 0xFF];
    return ~crc;
}
