/* Who is answerable (check.h): by the program's own functions, as `diff` names holders. Why not the
 * innermost function: that numpy holds the memory helps nobody find the line to change. */
#include "analyzer/check.h"

#include "analyzer/glyph.h"
#include "format/bits.h"
#include <stdlib.h>

struct sum {
    uint32_t function;
    uint64_t bytes[PATH_SIDES];
};

static bool counts(const uint64_t *matched, uint32_t node)
{
    return !matched || bits_has(matched, node);
}

static void add_up(struct sum *sums, const uint32_t *holder_of, const struct comparison *c,
                   const uint64_t *matched)
{
    for (uint32_t node = PATH_ROOT; node < c->paths->node_count; node++) {
        struct sum *sum = &sums[holder_of[node]];
        for (int side = 0; side < PATH_SIDES && counts(matched, node); side++)
            sum->bytes[side] += c->nodes[node].bytes[side];
    }
}

/* What the list is sorted by. */
static int64_t weight(const struct sum *sum, bool growth)
{
    return growth ? difference(sum->bytes[0], sum->bytes[1]) : (int64_t)sum->bytes[1];
}

/* Keeps the list in falling order. Returns its length. */
static int insert(struct sum *list, int count, const struct sum *sum, bool growth)
{
    int at = count;
    while (at > 0 && weight(&list[at - 1], growth) < weight(sum, growth))
        at--;
    if (at == OFFENDERS)
        return count;
    count += count < OFFENDERS;
    for (int i = count - 1; i > at; i--)
        list[i] = list[i - 1];
    list[at] = *sum;
    return count;
}

static void name(struct offender *o, const struct sum *sum, const struct paths *p)
{
    const struct path_function *f = &p->functions[sum->function];
    const struct name *file = f->files[1] ? f->files[1] : f->files[0];
    size_t used = 0;
    *o = (struct offender){.bytes = sum->bytes[1], .before_bytes = sum->bytes[0]};
    if (!sum->function || !file) {
        snprintf(o->function, sizeof o->function, "(no function known)");
        return;
    }
    path_function_name(o->function, sizeof o->function, f, false);
    path_function_file(o->file, sizeof o->file, f, false);
    glyph_append(o->path, sizeof o->path, &used, file->bytes, file->length, false);
}

int check_offenders(struct verdict *v, const struct comparison *c, const uint64_t *matched,
                    bool growth)
{
    const struct paths *p = c->paths;
    struct sum *sums = calloc(p->function_count + 1ul, sizeof *sums), largest[OFFENDERS];
    uint32_t *holder_of = paths_holders(p);
    int count = 0;
    if (sums && holder_of)
        add_up(sums, holder_of, c, matched);
    for (uint32_t i = 0; sums && holder_of && i < p->function_count; i++) {
        sums[i].function = i;
        if (weight(&sums[i], growth) > 0)
            count = insert(largest, count, &sums[i], growth);
    }
    for (int i = 0; i < count; i++)
        name(&v->offenders[i], &largest[i], p);
    v->offender_count = count;
    bool failed = !sums || !holder_of;
    free(sums);
    free(holder_of);
    return failed ? -ERR_NOMEM : 0;
}
