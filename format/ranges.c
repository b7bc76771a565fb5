/* Mapped pieces in one sorted array: binary search, and a memmove where a piece comes or goes.
 * Why an array: 40 bytes a piece, walked in order by the sampler, and the kernel's own limit is
 * 65,530 mappings. Every operation first cuts pieces at its borders, so that what follows is about
 * whole pieces; room for all that it can add is reserved before the first change. Not here: sums,
 * sites. */
#include "format/ranges.h"
#include "format/error.h"
#include <stdlib.h>
#include <string.h>

#define PAGE_MASK (~(uint64_t)(RANGE_PAGE_BYTES - 1))
#define END_MAX   PAGE_MASK /* the last page of 2^64 is never mapped: ends fit 64 bits */

/* Whom to tell of changes. */
struct listener {
    range_change *change;
    void *context;
};

/* [start, end) in whole pages. */
struct span {
    uint64_t start, end;
};

static void tell(const struct listener *to, const struct range *before, const struct range *after)
{
    if (to->change)
        to->change(to->context, before, after);
}

static uint64_t range_end(const struct range *piece) { return piece->address + piece->length; }

static uint64_t lower_of(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* Rounds outwards to pages; empty when length is 0 or nothing is left below the end of the address
 * space. */
static struct span span_of(uint64_t address, uint64_t length)
{
    uint64_t start = address & PAGE_MASK, end = END_MAX;
    if (length == 0)
        return (struct span){0, 0};
    if (address < END_MAX && length <= END_MAX - address)
        end = (address + length + RANGE_PAGE_BYTES - 1) & PAGE_MASK;
    return start < end ? (struct span){start, end} : (struct span){0, 0};
}

static bool span_empty(struct span span) { return span.start == span.end; }

void ranges_init(struct ranges *r) { *r = (struct ranges){0}; }

void ranges_release(struct ranges *r)
{
    free(r->items);
    ranges_init(r);
}

static int reserve(struct ranges *r, size_t more)
{
    size_t needed = r->count + more;
    if (needed <= r->capacity)
        return 0;
    size_t capacity = needed < 64 ? 64 : needed + needed / 2;
    struct range *items = realloc(r->items, capacity * sizeof *items);
    if (!items)
        return -ERR_NOMEM;
    r->items = items;
    r->capacity = capacity;
    return 0;
}

/* Index of the first piece that ends after the address. */
static size_t first_after(const struct ranges *r, uint64_t address)
{
    size_t low = 0, high = r->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (range_end(&r->items[middle]) > address)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void insert_at(struct ranges *r, size_t index, const struct range *piece)
{
    memmove(&r->items[index + 1], &r->items[index], (r->count - index) * sizeof *r->items);
    r->items[index] = *piece;
    r->count++;
}

static void remove_between(struct ranges *r, size_t from, size_t to)
{
    memmove(&r->items[from], &r->items[to], (r->count - to) * sizeof *r->items);
    r->count -= to - from;
}

static void insert(struct ranges *r, const struct range *piece)
{
    insert_at(r, first_after(r, piece->address), piece);
}

/* The first `length` bytes of a piece, and what is behind them; resident bytes in proportion, whole
 * pages to the first part. */
static void cut(const struct range *piece, uint64_t length, struct range *first,
                struct range *second)
{
    *first = *second = *piece;
    first->length = length;
    second->address += length;
    second->length -= length;
    if (piece->resident_bytes == RANGE_UNSAMPLED)
        return;
    unsigned __int128 share = (unsigned __int128)piece->resident_bytes * length / piece->length;
    first->resident_bytes = (uint64_t)share & PAGE_MASK;
    second->resident_bytes =
        lower_of(piece->resident_bytes - first->resident_bytes, second->length);
}

/* Makes the address a border between pieces if it lies inside one. There is room for one more. */
static void split_at(struct ranges *r, uint64_t address, const struct listener *to)
{
    size_t index = first_after(r, address);
    if (index == r->count || r->items[index].address >= address)
        return;
    struct range before = r->items[index], first, second;
    cut(&before, address - before.address, &first, &second);
    r->items[index] = first;
    insert_at(r, index + 1, &second);
    tell(to, &before, &first);
    tell(to, NULL, &second);
}

/* Takes away what lies in the span. There is room for one more. */
static void clear(struct ranges *r, struct span span, const struct listener *to)
{
    if (span_empty(span))
        return;
    split_at(r, span.start, to);
    split_at(r, span.end, to);
    size_t from = first_after(r, span.start), end = from;
    for (; end < r->count && r->items[end].address < span.end; end++)
        ;
    for (size_t i = from; i < end; i++)
        tell(to, &r->items[i], NULL);
    remove_between(r, from, end);
}

/* Adds a piece where nothing is. */
static void add(struct ranges *r, struct span span, unsigned kind, uint64_t tag,
                const struct listener *to)
{
    struct range piece = {
        .address = span.start,
        .length = span.end - span.start,
        .resident_bytes = RANGE_UNSAMPLED,
        .tag = tag,
        .kind = (uint8_t)kind,
    };
    insert(r, &piece);
    tell(to, NULL, &piece);
}

static void set_resident(struct range *piece, uint64_t resident_bytes, const struct listener *to)
{
    struct range before = *piece;
    piece->resident_bytes = lower_of(resident_bytes, piece->length);
    if (piece->resident_bytes != before.resident_bytes)
        tell(to, &before, piece);
}

int ranges_map(struct ranges *r, uint64_t address, uint64_t length, enum map_kind kind,
               uint64_t tag, range_change *change, void *context)
{
    struct span span = span_of(address, length);
    if (span_empty(span))
        return 0;
    if (reserve(r, 3))
        return -ERR_NOMEM;
    struct listener to = {change, context};
    clear(r, span, &to);
    add(r, span, kind, tag, &to);
    return 0;
}

int ranges_unmap(struct ranges *r, uint64_t address, uint64_t length, range_change *change,
                 void *context)
{
    if (reserve(r, 2))
        return -ERR_NOMEM;
    clear(r, span_of(address, length), &(struct listener){change, context});
    return 0;
}

/* mremap in place: the tail goes, or is added. There is room for three more. */
static void resize(struct ranges *r, struct span old, struct span new, uint64_t tag,
                   const struct listener *to)
{
    size_t behind = first_after(r, old.end - 1);
    if (behind < r->count && r->items[behind].address < old.end)
        behind++;
    bool known = behind > 0 && range_end(&r->items[behind - 1]) > old.start;
    unsigned kind = known ? r->items[behind - 1].kind : 0;
    if (new.end < old.end)
        clear(r, (struct span){new.end, old.end}, to);
    if (new.end > old.end) {
        clear(r, (struct span){old.end, new.end}, to);
        if (known)
            add(r, (struct span){old.end, new.end}, kind, tag, to);
    }
}

/* Takes the pieces of a span, whose borders are cut already, out of the array, or (keep) leaves
 * them there without their pages. moved has room for them. Returns how many. */
static size_t lift(struct ranges *r, struct span span, bool keep, struct range *moved,
                   const struct listener *to)
{
    size_t from = first_after(r, span.start), end = from;
    for (; end < r->count && r->items[end].address < span.end; end++) {
        moved[end - from] = r->items[end];
        if (keep && r->items[end].resident_bytes != RANGE_UNSAMPLED)
            set_resident(&r->items[end], 0, to);
    }
    if (!keep)
        remove_between(r, from, end);
    return end - from;
}

/* mremap to another place. moved has room for the old range's pieces, r for as many and six more. A
 * longer new range means that all of the old one moves, so the last piece moved is the one that
 * grows. */
static void move(struct ranges *r, struct span old, struct span new, uint64_t tag, bool keep_old,
                 struct range *moved, const struct listener *to)
{
    struct span head = {old.start, lower_of(old.end, old.start + (new.end - new.start))};
    split_at(r, head.start, to);
    split_at(r, head.end, to);
    size_t count = lift(r, head, keep_old, moved, to);
    if (!keep_old)
        clear(r, (struct span){head.end, old.end}, to);
    clear(r, new, to);
    for (size_t i = 0; i < count; i++) {
        struct range before = moved[i];
        moved[i].address += new.start - old.start;
        insert(r, &moved[i]);
        tell(to, keep_old ? NULL : &before, &moved[i]);
    }
    uint64_t moved_end = new.start + (head.end - head.start);
    if (count && moved_end < new.end)
        add(r, (struct span){moved_end, new.end}, moved[count - 1].kind, tag, to);
}

int ranges_remap(struct ranges *r, uint64_t old_address, uint64_t old_length, uint64_t new_address,
                 uint64_t new_length, uint64_t tag, bool keep_old, range_change *change,
                 void *context)
{
    struct span old = span_of(old_address, old_length), new = span_of(new_address, new_length);
    struct listener to = {change, context};
    if (span_empty(old) || span_empty(new))
        return 0;
    if (old.start == new.start) {
        if (reserve(r, 3))
            return -ERR_NOMEM;
        resize(r, old, new, tag, &to);
        return 0;
    }
    size_t touched = first_after(r, old.end) - first_after(r, old.start) + 3;
    struct range *moved = malloc(touched * sizeof *moved);
    if (!moved || reserve(r, touched + 6)) {
        free(moved);
        return -ERR_NOMEM;
    }
    move(r, old, new, tag, keep_old, moved, &to);
    free(moved);
    return 0;
}

int ranges_protect(struct ranges *r, uint64_t address, uint64_t length, bool writable,
                   range_change *change, void *context)
{
    struct span span = span_of(address, length);
    struct listener to = {change, context};
    if (!writable || span_empty(span))
        return 0;
    if (reserve(r, 2))
        return -ERR_NOMEM;
    for (size_t i = first_after(r, span.start); i < r->count && r->items[i].address < span.end;
         i++) {
        if (r->items[i].kind != MAP_KIND_RESERVED)
            continue;
        if (r->items[i].address < span.start) {
            split_at(r, span.start, &to);
            continue;
        }
        split_at(r, span.end, &to);
        struct range before = r->items[i];
        r->items[i].kind = MAP_KIND_ANONYMOUS;
        tell(&to, &before, &r->items[i]);
    }
    return 0;
}

int ranges_discard(struct ranges *r, uint64_t address, uint64_t length, range_change *change,
                   void *context)
{
    struct span span = span_of(address, length);
    struct listener to = {change, context};
    for (size_t i = first_after(r, span.start); i < r->count && r->items[i].address < span.end; i++)
        if (r->items[i].address >= span.start && range_end(&r->items[i]) <= span.end &&
            r->items[i].resident_bytes != RANGE_UNSAMPLED)
            set_resident(&r->items[i], 0, &to);
    return 0;
}

int ranges_resident(struct ranges *r, uint64_t address, uint64_t length, uint64_t resident_bytes,
                    range_change *change, void *context)
{
    struct span span = span_of(address, length);
    size_t index = first_after(r, span.start);
    if (span_empty(span) || index == r->count || r->items[index].address != span.start ||
        range_end(&r->items[index]) != span.end)
        return 0;
    set_resident(&r->items[index], resident_bytes, &(struct listener){change, context});
    return 0;
}

uint64_t range_counted(const struct range *piece)
{
    switch ((enum map_kind)piece->kind) {
    case MAP_KIND_ANONYMOUS:
    case MAP_KIND_BRK: return piece->length;
    case MAP_KIND_RESERVED:
    case MAP_KIND_NORESERVE:
        return piece->resident_bytes == RANGE_UNSAMPLED ? 0 : piece->resident_bytes;
    default: return 0;
    }
}

const struct range *ranges_find(const struct ranges *r, uint64_t address)
{
    size_t index = first_after(r, address);
    return index < r->count && r->items[index].address <= address ? &r->items[index] : NULL;
}
