/* The smallest pieces of the wire: little-endian integers, varints, zigzag (FORMAT.md, opening).
 * Why inline: they sit in the inner loops of both directions. Invariants: no read past `end`,
 * whatever the bytes are. Not here: anything that knows a field. All are async-signal-safe and
 * thread-safe. */
#ifndef FORMAT_WIRE_H
#define FORMAT_WIRE_H

#include <stdint.h>

#define VARINT_MAX_BYTES 10

static inline void put_u16(uint8_t *out, uint16_t value)
{
    out[0] = (uint8_t)value;
    out[1] = (uint8_t)(value >> 8);
}

static inline void put_u32(uint8_t *out, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> (8 * i));
}

static inline void put_u64(uint8_t *out, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(value >> (8 * i));
}

static inline uint16_t get_u16(const uint8_t *in) { return (uint16_t)(in[0] | in[1] << 8); }

static inline uint32_t get_u32(const uint8_t *in)
{
    return (uint32_t)in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
}

static inline uint64_t get_u64(const uint8_t *in)
{
    return get_u32(in) | (uint64_t)get_u32(in + 4) << 32;
}

static inline uint64_t zigzag(int64_t value)
{
    return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
}
static inline int64_t unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

/* Writes value at out, which has VARINT_MAX_BYTES to spare. Returns the byte after it. */
static inline uint8_t *put_varint(uint8_t *out, uint64_t value)
{
    while (value >= 0x80) {
        *out++ = (uint8_t)value | 0x80;
        value >>= 7;
    }
    *out++ = (uint8_t)value;
    return out;
}

/* get_varint for what is not a single byte. */
static inline const uint8_t *get_long_varint(const uint8_t *in, const uint8_t *end, uint64_t *value)
{
    uint64_t result = 0;
    *value = 0;
    for (unsigned shift = 0; shift < 64 && in < end; shift += 7) {
        uint8_t byte = *in++;
        if (shift == 63 && byte > 1)
            return 0;
        result |= (uint64_t)(byte & 0x7F) << shift;
        if (!(byte & 0x80)) {
            *value = result;
            return in;
        }
    }
    return 0;
}

/* Reads a varint from [in, end) into *value. Returns the byte after it, or NULL when the bytes end
 * too early or the value does not fit 64 bits; *value is then 0. */
static inline const uint8_t *get_varint(const uint8_t *in, const uint8_t *end, uint64_t *value)
{
    if (in < end && *in < 0x80) {
        *value = *in;
        return in + 1;
    }
    return get_long_varint(in, end, value);
}

#endif
