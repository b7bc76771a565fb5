/* CRC-32, where the processor multiplies without carries by folding, else by eight bytes a step
 * ("slicing by 8"): tables[k][b] is the CRC of byte b followed by k zero bytes. Why built at load:
 * 8 KiB of constants are no source text, and a constructor runs before any thread. */
#include "format/crc32.h"
#include "format/wire.h"
#include <stdbool.h>

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

#ifdef __x86_64__
#    include <immintrin.h>

/* By carry-less multiplication, 64 bytes a step: "Fast CRC Computation for Generic Polynomials
 * Using PCLMULQDQ Instruction" (Gopal et al., Intel, 2009), whose constants for the reflected
 * polynomial these are: powers of x modulo it for folding over 64 and 16 bytes, then to 64 bits,
 * then Barrett's. */
#    define FOLDING __attribute__((target("pclmul,sse4.1")))
enum { FOLD_BYTES = 64, LANE_BYTES = 16 };

static bool can_fold;

__attribute__((constructor)) static void look_for_folding(void)
{
    __builtin_cpu_init();
    can_fold = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
}

FOLDING static inline __m128i lane(const uint8_t *in)
{
    return _mm_loadu_si128((const __m128i *)in);
}

/* `from` moved on by as many bytes as the constants say, and `to` added. */
FOLDING static inline __m128i fold(__m128i from, __m128i to, __m128i by)
{
    return _mm_xor_si128(_mm_xor_si128(_mm_clmulepi64_si128(from, by, 0x00), to),
                         _mm_clmulepi64_si128(from, by, 0x11));
}

FOLDING static uint32_t reduce(__m128i x, __m128i by_16)
{
    const __m128i low_halves = _mm_setr_epi32(~0, 0, ~0, 0), to_64 = _mm_set_epi64x(0, 0x163CD6124),
                  barrett = _mm_set_epi64x(0x1F7011641, 0x1DB710641);
    x = _mm_xor_si128(_mm_srli_si128(x, 8), _mm_clmulepi64_si128(x, by_16, 0x10));
    x = _mm_xor_si128(_mm_srli_si128(x, 4),
                      _mm_clmulepi64_si128(_mm_and_si128(x, low_halves), to_64, 0x00));
    __m128i q = _mm_clmulepi64_si128(_mm_and_si128(x, low_halves), barrett, 0x10);
    q = _mm_clmulepi64_si128(_mm_and_si128(q, low_halves), barrett, 0x00);
    return (uint32_t)_mm_extract_epi32(_mm_xor_si128(x, q), 1);
}

/* The state after `length` bytes: at least FOLD_BYTES, and a multiple of LANE_BYTES. */
FOLDING static uint32_t folded(uint32_t state, const uint8_t *in, size_t length)
{
    const __m128i by_64 = _mm_set_epi64x(0x1C6E41596, 0x154442BD4),
                  by_16 = _mm_set_epi64x(0x0CCAA009E, 0x1751997D0);
    __m128i x[4];
    for (int i = 0; i < 4; i++)
        x[i] = lane(in + i * LANE_BYTES);
    x[0] = _mm_xor_si128(x[0], _mm_cvtsi32_si128((int)state));
    for (in += FOLD_BYTES, length -= FOLD_BYTES; length >= FOLD_BYTES;
         in += FOLD_BYTES, length -= FOLD_BYTES)
        for (int i = 0; i < 4; i++)
            x[i] = fold(x[i], lane(in + i * LANE_BYTES), by_64);
    for (int i = 1; i < 4; i++)
        x[0] = fold(x[0], x[i], by_16);
    for (; length; in += LANE_BYTES, length -= LANE_BYTES)
        x[0] = fold(x[0], lane(in), by_16);
    return reduce(x[0], by_16);
}

/* Takes what can be folded off the front of the bytes. Returns the state after it. */
static uint32_t fold_front(uint32_t state, const uint8_t **in, size_t *length)
{
    size_t taken = *length / LANE_BYTES * LANE_BYTES;
    if (!can_fold || *length < FOLD_BYTES)
        return state;
    state = folded(state, *in, taken);
    *in += taken;
    *length -= taken;
    return state;
}
#else
static uint32_t fold_front(uint32_t state, const uint8_t **in, size_t *length)
{
    (void)in;
    (void)length;
    return state;
}
#endif

uint32_t crc32_update(uint32_t crc, const void *bytes, size_t length)
{
    const uint8_t *in = bytes;
    crc = fold_front(~crc, &in, &length);
    for (; length >= 8; length -= 8, in += 8)
        crc = eight_bytes(crc, in);
    for (; length; length--)
        crc = (crc >> 8) ^ tables[0][(crc ^ *in++) & 0xFF];
    return ~crc;
}
