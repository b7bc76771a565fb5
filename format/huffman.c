/* Canonical codes: of two symbols with codes of one length, the smaller byte has the smaller code,
 * so lengths alone tell the code. Lengths come from the usual pairing of the two rarest; what
 * becomes longer than HUFFMAN_BITS is cut there, and the sum of Kraft put right again by
 * lengthening the cheapest others. */
#include "format/huffman.h"
#include "format/wire.h"
#include <string.h>

#define SYMBOLS  HUFFMAN_SYMBOLS
#define MAX_BITS HUFFMAN_BITS
#define STREAMS  4u
#define SPAN     (1u << MAX_BITS)
#define RUN_MAX  16u /* of lengths 0 that one nibble counts */

struct tree {
    uint32_t weights[2 * SYMBOLS];
    uint16_t parents[2 * SYMBOLS];
    uint16_t order[SYMBOLS]; /* symbols that occur, rarest first */
    unsigned count;
};

/* ---- a code for frequencies */

static void count_bytes(uint32_t counts[SYMBOLS], const uint8_t *in, size_t bytes)
{
    uint32_t parts[4][SYMBOLS] = {0};
    size_t i = 0;
    for (; i + 4 <= bytes; i += 4)
        for (unsigned k = 0; k < 4; k++)
            parts[k][in[i + k]]++;
    for (; i < bytes; i++)
        parts[0][in[i]]++;
    for (unsigned s = 0; s < SYMBOLS; s++)
        counts[s] = parts[0][s] + parts[1][s] + parts[2][s] + parts[3][s];
}

/* The symbols that occur, by frequency: a sort of at most 256 by insertion of halving gaps. */
static void sort_symbols(struct tree *t, const uint32_t counts[SYMBOLS])
{
    t->count = 0;
    for (unsigned s = 0; s < SYMBOLS; s++)
        if (counts[s])
            t->order[t->count++] = (uint16_t)s;
    for (unsigned gap = SYMBOLS / 2; gap; gap /= 2)
        for (unsigned i = gap; i < t->count; i++) {
            uint16_t symbol = t->order[i];
            unsigned at = i;
            for (; at >= gap && counts[t->order[at - gap]] > counts[symbol]; at -= gap)
                t->order[at] = t->order[at - gap];
            t->order[at] = symbol;
        }
}

/* Pairs the two lightest until one is left. Leaves stand sorted at 0.., inner nodes behind them in
 * the order of their making, which is that of their weights. */
static void pair_nodes(struct tree *t, const uint32_t counts[SYMBOLS])
{
    unsigned leaf = 0, inner = t->count, made = t->count;
    for (unsigned i = 0; i < t->count; i++)
        t->weights[i] = counts[t->order[i]];
    for (; made < 2 * t->count - 1; made++) {
        t->weights[made] = 0;
        for (int k = 0; k < 2; k++) {
            bool from_leaves =
                leaf < t->count && (inner >= made || t->weights[leaf] <= t->weights[inner]);
            unsigned lightest = from_leaves ? leaf++ : inner++;
            t->weights[made] += t->weights[lightest];
            t->parents[lightest] = (uint16_t)made;
        }
    }
}

/* How many codes there are of each length, limited to MAX_BITS. */
static void count_lengths(const struct tree *t, unsigned per_length[MAX_BITS + 1])
{
    uint8_t depth[2 * SYMBOLS];
    unsigned root = 2 * t->count - 2, used = 0;
    memset(per_length, 0, (MAX_BITS + 1) * sizeof *per_length);
    depth[root] = t->count == 1;
    for (unsigned i = root; i-- > 0;)
        depth[i] = (uint8_t)(depth[t->parents[i]] + 1);
    for (unsigned i = 0; i < t->count; i++)
        per_length[depth[i] < MAX_BITS ? depth[i] : MAX_BITS]++;
    for (unsigned bits = 1; bits <= MAX_BITS; bits++)
        used += per_length[bits] << (MAX_BITS - bits);
    for (; used > SPAN; used--) { /* a code one bit longer makes room for two of the longest */
        unsigned bits = MAX_BITS - 1;
        while (!per_length[bits])
            bits--;
        per_length[bits]--;
        per_length[bits + 1] += 2;
        per_length[MAX_BITS]--;
    }
}

/* The first code of each length. Returns false when the lengths ask for more codes than there are.
 */
static bool first_codes(const uint8_t lengths[SYMBOLS], unsigned first[MAX_BITS + 2])
{
    unsigned per_length[MAX_BITS + 1] = {0}, next = 0;
    for (unsigned s = 0; s < SYMBOLS; s++)
        per_length[lengths[s]]++;
    for (unsigned bits = 1; bits <= MAX_BITS; bits++) {
        first[bits] = next;
        next = (next + per_length[bits]) << 1;
    }
    return next <= 2 * SPAN;
}

/* The same bits, first one lowest. */
static unsigned reversed(unsigned code, unsigned bits)
{
    unsigned result = 0;
    for (unsigned i = 0; i < bits; i++)
        result |= (code >> i & 1) << (bits - 1 - i);
    return result;
}

static void set_codes(struct huffman *h)
{
    unsigned next[MAX_BITS + 2];
    first_codes(h->lengths, next);
    for (unsigned s = 0; s < SYMBOLS; s++)
        h->codes[s] =
            (uint16_t)(h->lengths[s] ? reversed(next[h->lengths[s]]++, h->lengths[s]) : 0);
}

/* Bytes of the lengths, at most: two nibbles a run of zeros, one nibble each other. */
static size_t lengths_bound(const uint8_t lengths[SYMBOLS])
{
    size_t nibbles = 0;
    for (unsigned s = 0; s < SYMBOLS; s++)
        nibbles += lengths[s] ? 1 : 2 * (s % RUN_MAX == 0 || lengths[s - 1]);
    return nibbles / 2 + 1;
}

void huffman_plan(struct huffman *h, const uint8_t *in, size_t bytes)
{
    uint32_t counts[SYMBOLS];
    unsigned per_length[MAX_BITS + 1], bits = MAX_BITS;
    struct tree tree;
    uint64_t total = 0;
    count_bytes(counts, in, bytes);
    sort_symbols(&tree, counts);
    pair_nodes(&tree, counts);
    count_lengths(&tree, per_length);
    memset(h->lengths, 0, sizeof h->lengths);
    for (unsigned i = 0; i < tree.count; i++) { /* the rarest get the longest */
        while (!per_length[bits])
            bits--;
        per_length[bits]--;
        h->lengths[tree.order[i]] = (uint8_t)bits;
        total += (uint64_t)bits * counts[tree.order[i]];
    }
    set_codes(h);
    h->bytes = (size_t)(total / 8) + lengths_bound(h->lengths) + STREAMS * (1 + VARINT_MAX_BYTES);
}

/* ---- writing */

/* Lengths 1 to MAX_BITS are a nibble each; 0 is followed by a nibble: how many more zeros there
 * are. The last byte's high nibble may be unused and is 0. */
static uint8_t *put_lengths(const struct huffman *h, uint8_t *out)
{
    unsigned nibble = 0;
    for (unsigned s = 0; s < SYMBOLS; s++) {
        unsigned values[2] = {h->lengths[s], 0}, count = 1 + !h->lengths[s];
        if (!h->lengths[s])
            while (s + 1 < SYMBOLS && !h->lengths[s + 1] && values[1] < RUN_MAX - 1)
                values[1]++, s++;
        for (unsigned i = 0; i < count; i++, nibble++) {
            if (nibble % 2 == 0)
                *out = (uint8_t)values[i];
            else
                *out++ |= (uint8_t)(values[i] << 4);
        }
    }
    return out + nibble % 2;
}

/* Bits behind each other, first one lowest. */
struct bits {
    uint64_t value;
    unsigned count;
};

static inline struct bits one(const struct huffman *h, uint8_t symbol)
{
    return (struct bits){h->codes[symbol], h->lengths[symbol]};
}

static inline struct bits both(struct bits a, struct bits b)
{
    return (struct bits){a.value | b.value << a.count, a.count + b.count};
}

/* Stores the whole bytes of eight and keeps the rest: what is beyond is written again. */
static inline uint8_t *store(struct bits *bits, uint8_t *out)
{
    unsigned whole = bits->count / 8;
    memcpy(out, &bits->value, sizeof bits->value);
    bits->value >>= 8 * whole;
    bits->count -= 8 * whole;
    return out + whole;
}

static uint8_t *put_stream(const struct huffman *h, const uint8_t *in, size_t bytes, uint8_t *out)
{
    struct bits bits = {0};
    const uint8_t *end = in + bytes;
    for (; end - in >= 4; in += 4) {
        struct bits first = both(one(h, in[0]), one(h, in[1]));
        struct bits second = both(one(h, in[2]), one(h, in[3]));
        bits = both(bits, both(first, second));
        out = store(&bits, out);
    }
    for (; in < end; in++)
        bits = both(bits, one(h, *in));
    bits.count += 7; /* a byte begun is a byte */
    return store(&bits, out);
}

uint8_t *huffman_put(const struct huffman *h, const uint8_t *in, size_t bytes, uint8_t *out)
{
    uint8_t *start = put_lengths(h, out), *at = start + STREAMS * VARINT_MAX_BYTES, *first = at;
    size_t quarter = (bytes + STREAMS - 1) / STREAMS, sizes[STREAMS];
    for (unsigned i = 0; i < STREAMS; i++) {
        size_t from = i * quarter < bytes ? i * quarter : bytes;
        size_t length = bytes - from < quarter ? bytes - from : quarter;
        uint8_t *end = put_stream(h, in + from, length, at);
        sizes[i] = (size_t)(end - at);
        at = end;
    }
    for (unsigned i = 0; i + 1 < STREAMS; i++)
        start = put_varint(start, sizes[i]);
    memmove(start, first, (size_t)(at - first));
    return start + (at - first);
}

/* ---- reading */

struct entry {
    uint8_t symbol, bits;
};

struct stream {
    const uint8_t *at, *end;
    uint8_t *out, *out_end;
    unsigned used; /* bits of *at */
};

static const uint8_t *get_lengths(const uint8_t *in, const uint8_t *end, uint8_t lengths[SYMBOLS])
{
    unsigned nibble = 0, s = 0;
    bool counting = false; /* the next nibble is a run's */
    memset(lengths, 0, SYMBOLS);
    for (; s < SYMBOLS || counting; nibble++) {
        if (in + nibble / 2 >= end)
            return NULL;
        unsigned value = in[nibble / 2] >> (nibble % 2 * 4) & 15;
        if (counting) {
            s += value;
            counting = false;
        } else {
            counting = value == 0;
            if (value > MAX_BITS)
                return NULL;
            lengths[s++] = (uint8_t)value;
        }
    }
    return s == SYMBOLS ? in + (nibble + 1) / 2 : NULL;
}

/* What each MAX_BITS bits begin with. Beginnings of no code have 0 bits: nothing then moves on, and
 * the stream does not come out even. */
static bool fill_table(const uint8_t lengths[SYMBOLS], struct entry table[SPAN])
{
    unsigned next[MAX_BITS + 2];
    memset(table, 0, SPAN * sizeof *table);
    if (!first_codes(lengths, next))
        return false;
    for (unsigned s = 0; s < SYMBOLS; s++) {
        if (!lengths[s])
            continue;
        unsigned code = reversed(next[lengths[s]]++, lengths[s]);
        for (; code < SPAN; code += 1u << lengths[s])
            table[code] = (struct entry){(uint8_t)s, lengths[s]};
    }
    return true;
}

/* Five symbols of one stream; eight of its bytes are there. */
static inline __attribute__((always_inline)) void five(struct stream *s, const struct entry *table)
{
    uint64_t bits;
    memcpy(&bits, s->at, sizeof bits);
    bits >>= s->used;
    for (unsigned k = 0; k < 5; k++) {
        struct entry e = table[bits & (SPAN - 1)];
        *s->out++ = e.symbol;
        bits >>= e.bits;
        s->used += e.bits;
    }
    s->at += s->used / 8;
    s->used &= 7;
}

static inline __attribute__((always_inline)) bool five_there(const struct stream *s)
{
    return s->end - s->at >= 8 && s->out_end - s->out >= 5;
}

/* The rest of a stream, with care. Returns whether it came out even. */
static bool finish(struct stream rest, const struct entry *table)
{
    struct stream *s = &rest;
    while (five_there(s))
        five(s, table);
    while (s->out < s->out_end) {
        unsigned bits = 0;
        for (unsigned k = 0; k < 3; k++)
            bits |= s->end - s->at > (ptrdiff_t)k ? (unsigned)s->at[k] << 8 * k : 0;
        struct entry e = table[bits >> s->used & (SPAN - 1)];
        *s->out++ = e.symbol;
        s->used += e.bits;
        if (!e.bits || (ptrdiff_t)(s->used + 7) / 8 > s->end - s->at)
            return false;
        s->at += s->used / 8;
        s->used &= 7;
    }
    return s->at + (s->used > 0) == s->end;
}

/* Where the streams lie. */
static bool open_streams(const uint8_t *in, const uint8_t *end, uint8_t *out, size_t bytes,
                         struct stream streams[STREAMS])
{
    uint64_t sizes[STREAMS], left;
    for (unsigned i = 0; i + 1 < STREAMS; i++)
        if (!(in = get_varint(in, end, &sizes[i])))
            return false;
    left = (uint64_t)(end - in);
    for (unsigned i = 0; i + 1 < STREAMS; left -= sizes[i++])
        if (sizes[i] > left)
            return false;
    sizes[STREAMS - 1] = left;
    size_t quarter = (bytes + STREAMS - 1) / STREAMS;
    for (unsigned i = 0; i < STREAMS; in += sizes[i++]) {
        size_t from = i * quarter < bytes ? i * quarter : bytes;
        size_t length = bytes - from < quarter ? bytes - from : quarter;
        streams[i] = (struct stream){in, in + sizes[i], out + from, out + from + length, 0};
    }
    return true;
}

bool huffman_get(const uint8_t *in, size_t in_bytes, uint8_t *out, size_t bytes)
{
    uint8_t lengths[SYMBOLS];
    struct entry table[SPAN];
    struct stream s[STREAMS];
    const uint8_t *end = in + in_bytes;
    in = get_lengths(in, end, lengths);
    if (!in || !fill_table(lengths, table) || !open_streams(in, end, out, bytes, s))
        return false;
    struct stream a = s[0], b = s[1], c = s[2], d = s[3];
    while (five_there(&a) && five_there(&b) && five_there(&c) && five_there(&d)) {
        five(&a, table);
        five(&b, table);
        five(&c, table);
        five(&d, table);
    }
    return finish(a, table) && finish(b, table) && finish(c, table) && finish(d, table);
}
