/* What events do to mapped pieces. Every operation first cuts pieces at its borders, so that what
 * follows is about whole pieces; room for all that it can add is reserved before the first change.
 * A place among the pieces is an address, since pieces come and go under the listener's eyes. Not
 * here: how pieces are kept (range_tree.h), sums, sites. */
#include "format/ranges.h"
#include "format/error.h"
#include <stdlib.h>

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

void ranges_init(struct ranges *r) { range_tree_init(&r->tree); }

void ranges_release(struct ranges *r) { range_tree_release(&r->tree); }

/* The first piece in the span that holds this, or NULL. */
static const struct range *first_in(const struct ranges *r, struct span span, enum range_holds what)
{
    const struct range *piece = range_tree_after(&r->tree, span.start, what);
    return piece && piece->address < span.end ? piece : NULL;
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
    const struct range *piece = range_tree_after(&r->tree, address, RANGE_ANY);
    if (!piece || piece->address >= address)
        return;
    struct range before = *piece, first, second;
    cut(&before, address - before.address, &first, &second);
    range_tree_replace(&r->tree, &first);
    range_tree_add(&r->tree, &second);
    tell(to, &before, &first);
    tell(to, NULL, &second);
}

/* Takes away what lies in the span. There is room for one more. */
static void clear(struct ranges *r, struct span span, const struct listener *to)
{
    const struct range *piece;
    if (span_empty(span))
        return;
    split_at(r, span.start, to);
    split_at(r, span.end, to);
    while ((piece = first_in(r, span, RANGE_ANY)) != NULL) {
        struct range gone = *piece;
        range_tree_remove(&r->tree, gone.address);
        tell(to, &gone, NULL);
    }
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
    range_tree_add(&r->tree, &piece);
    tell(to, NULL, &piece);
}

/* before: the piece as it is now. */
static void set_resident(struct ranges *r, struct range before, uint64_t resident_bytes,
                         const struct listener *to)
{
    struct range after = before;
    after.resident_bytes = lower_of(resident_bytes, before.length);
    if (after.resident_bytes == before.resident_bytes)
        return;
    range_tree_replace(&r->tree, &after);
    tell(to, &before, &after);
}

int ranges_map(struct ranges *r, uint64_t address, uint64_t length, enum map_kind kind,
               uint64_t tag, range_change *change, void *context)
{
    struct span span = span_of(address, length);
    if (span_empty(span))
        return 0;
    if (range_tree_reserve(&r->tree, 3))
        return -ERR_NOMEM;
    struct listener to = {change, context};
    clear(r, span, &to);
    add(r, span, kind, tag, &to);
    return 0;
}

int ranges_unmap(struct ranges *r, uint64_t address, uint64_t length, range_change *change,
                 void *context)
{
    if (range_tree_reserve(&r->tree, 2))
        return -ERR_NOMEM;
    clear(r, span_of(address, length), &(struct listener){change, context});
    return 0;
}

/* mremap in place: the tail goes, or is added. There is room for three more. */
static void resize(struct ranges *r, struct span old, struct span new, uint64_t tag,
                   const struct listener *to)
{
    const struct range *last = range_tree_before(&r->tree, old.end);
    bool known = last && range_end(last) > old.start;
    unsigned kind = known ? last->kind : 0;
    if (new.end < old.end)
        clear(r, (struct span){new.end, old.end}, to);
    if (new.end > old.end) {
        clear(r, (struct span){old.end, new.end}, to);
        if (known)
            add(r, (struct span){old.end, new.end}, kind, tag, to);
    }
}

/* Takes the pieces of a span, whose borders are cut already, out, or (keep) leaves them there
 * without their pages. moved has room for them. Returns how many. */
static size_t lift(struct ranges *r, struct span span, bool keep, struct range *moved,
                   const struct listener *to)
{
    const struct range *piece;
    size_t count = 0;
    for (; (piece = first_in(r, span, RANGE_ANY)) != NULL; count++) {
        moved[count] = *piece;
        span.start = range_end(piece);
        if (!keep)
            range_tree_remove(&r->tree, moved[count].address);
        else if (piece->resident_bytes != RANGE_UNSAMPLED)
            set_resident(r, *piece, 0, to);
    }
    return count;
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
        range_tree_add(&r->tree, &moved[i]);
        tell(to, keep_old ? NULL : &before, &moved[i]);
    }
    uint64_t moved_end = new.start + (head.end - head.start);
    if (count && moved_end < new.end)
        add(r, (struct span){moved_end, new.end}, moved[count - 1].kind, tag, to);
}

static size_t count_in(const struct ranges *r, struct span span)
{
    const struct range *piece;
    size_t count = 0;
    for (; (piece = first_in(r, span, RANGE_ANY)) != NULL; count++)
        span.start = range_end(piece);
    return count;
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
        if (range_tree_reserve(&r->tree, 3))
            return -ERR_NOMEM;
        resize(r, old, new, tag, &to);
        return 0;
    }
    size_t touched = count_in(r, old) + 3;
    struct range *moved = malloc(touched * sizeof *moved);
    if (!moved || range_tree_reserve(&r->tree, touched + 6)) {
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
    if (range_tree_reserve(&r->tree, 2))
        return -ERR_NOMEM;
    const struct range *piece;
    while ((piece = first_in(r, span, RANGE_RESERVED)) != NULL) {
        if (piece->address < span.start) {
            split_at(r, span.start, &to);
            continue;
        }
        split_at(r, span.end, &to);
        struct range before = *piece, after = before;
        after.kind = MAP_KIND_ANONYMOUS;
        range_tree_replace(&r->tree, &after);
        tell(&to, &before, &after);
        span.start = range_end(&after);
    }
    return 0;
}

int ranges_discard(struct ranges *r, uint64_t address, uint64_t length, range_change *change,
                   void *context)
{
    struct span span = span_of(address, length);
    uint64_t start = span.start;
    struct listener to = {change, context};
    const struct range *piece;
    while ((piece = first_in(r, span, RANGE_RESIDENT)) != NULL) {
        span.start = range_end(piece);
        if (piece->address >= start && span.start <= span.end)
            set_resident(r, *piece, 0, &to);
    }
    return 0;
}

int ranges_resident(struct ranges *r, uint64_t address, uint64_t length, uint64_t resident_bytes,
                    range_change *change, void *context)
{
    struct span span = span_of(address, length);
    const struct range *piece = first_in(r, span, RANGE_ANY);
    if (piece && piece->address == span.start && range_end(piece) == span.end)
        set_resident(r, *piece, resident_bytes, &(struct listener){change, context});
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
    const struct range *piece = ranges_next(r, address);
    return piece && piece->address <= address ? piece : NULL;
}

const struct range *ranges_next(const struct ranges *r, uint64_t address)
{
    return range_tree_after(&r->tree, address, RANGE_ANY);
}

size_t ranges_places(const struct ranges *r) { return r->tree.used; }

const struct range *ranges_at(const struct ranges *r, size_t place)
{
    const struct range *piece = &r->tree.nodes[place].piece;
    return piece->length ? piece : NULL;
}

size_t ranges_count(const struct ranges *r) { return r->tree.count; }

size_t ranges_bytes(const struct ranges *r) { return r->tree.capacity * sizeof *r->tree.nodes; }
