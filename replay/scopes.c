/* Going through units of debug information (scopes.h). Why a list of a unit's places: a file of
 * many units has few that were asked for, and their trees are the only ones that are read. */
#include "replay/scopes.h"

#include "format/error.h"
#include "format/grow.h"
#include "replay/demangle.h"
#include "replay/libdw.h"
#include <dwarf.h>
#include <stdbool.h>

#define TREE_MAX_DEPTH 256

/* A unit at work, or a part of its tree. */
struct scope_walk {
    struct scopes *scopes;
    Dwarf_Die unit;
    Dwarf_Files *files;
    bool nested; /* functions inside functions are looked for, too */
    int result;
};

/* The first place at or behind an address. */
static uint32_t first_place(const struct scopes *s, uint64_t address)
{
    uint32_t low = 0, high = s->place_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (s->places[middle].address < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static const char *name_of(Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    const char *name = 0;
    if (libdw.dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute) ||
        libdw.dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attribute))
        name = libdw.dwarf_formstring(&attribute);
    /* Only what is mangled tells more than the plain name. */
    return name && demangle_mangled(name) ? name : libdw.dwarf_diename(die);
}

static uint64_t number_of(Dwarf_Die *die, unsigned name)
{
    Dwarf_Attribute attribute;
    Dwarf_Word value = 0;
    if (!libdw.dwarf_attr(die, name, &attribute) || libdw.dwarf_formudata(&attribute, &value))
        return 0;
    return value;
}

static const char *call_file(const struct scope_walk *w, Dwarf_Die *die)
{
    uint64_t number = number_of(die, DW_AT_call_file);
    Dwarf_Attribute attribute;
    if (!w->files || !libdw.dwarf_attr(die, DW_AT_call_file, &attribute))
        return 0;
    return libdw.dwarf_filesrc(w->files, number, 0, 0);
}

/* Puts a scope inside the ones that a place has, if it is the next level. */
static int enter(struct scope_walk *w, struct scope_place *place, const struct scope *scope,
                 uint32_t level)
{
    struct scopes *s = w->scopes;
    if (place->depth != level || level >= SCOPES_MAX_DEPTH)
        return 0;
    if (s->count == s->capacity && !GROW(s->items, s->capacity, 256u))
        return -ERR_NOMEM;
    s->items[s->count] = *scope;
    s->items[s->count].outer = place->innermost;
    place->innermost = ++s->count;
    place->depth++;
    return 0;
}

/* Enters the scope at all places inside the DIE's ranges. Returns how many places lie there;
 * scope: NULL only counts. */
static uint32_t enter_ranges(struct scope_walk *w, Dwarf_Die *die, const struct scope *scope,
                             uint32_t level)
{
    struct scopes *s = w->scopes;
    Dwarf_Addr base, start, end;
    uint32_t met = 0;
    ptrdiff_t next = 0;
    while ((next = libdw.dwarf_ranges(die, next, &base, &start, &end)) > 0)
        for (uint32_t i = first_place(s, start); i < s->place_count; i++, met++) {
            if (s->places[i].address >= end)
                break;
            if (scope && enter(w, &s->places[i], scope, level))
                w->result = -ERR_NOMEM;
        }
    return met;
}

static bool is_function(int tag)
{
    return tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine;
}

/* What may hold functions without being code. */
static bool holds_functions(int tag)
{
    return tag == DW_TAG_namespace || tag == DW_TAG_module || tag == DW_TAG_structure_type ||
           tag == DW_TAG_class_type || tag == DW_TAG_union_type || tag == DW_TAG_enumeration_type;
}

static bool holds_code(int tag)
{
    return tag == DW_TAG_lexical_block || tag == DW_TAG_try_block || tag == DW_TAG_catch_block ||
           tag == DW_TAG_with_stmt || tag == DW_TAG_common_block;
}

static void walk_children(struct scope_walk *w, Dwarf_Die *die, uint32_t level, int depth);

/* One DIE below `level` functions. */
static void walk(struct scope_walk *w, Dwarf_Die *die, uint32_t level, int depth)
{
    int tag = libdw.dwarf_tag(die);
    bool inlined = tag == DW_TAG_inlined_subroutine;
    if (is_function(tag)) {
        uint32_t own = inlined ? level : 0; /* one defined in another has frames of its own */
        if (!enter_ranges(w, die, 0, 0)) {
            if (w->nested && !inlined)
                walk_children(w, die, 0, depth);
            return;
        }
        struct scope scope = {.function = name_of(die),
                              .call_file = inlined ? call_file(w, die) : 0,
                              .call_line = (uint32_t)number_of(die, DW_AT_call_line)};
        enter_ranges(w, die, &scope, own);
        walk_children(w, die, own + 1, depth);
    } else if (holds_functions(tag) ||
               (holds_code(tag) && (w->nested || enter_ranges(w, die, 0, 0)))) {
        walk_children(w, die, level, depth);
    }
}

static void walk_children(struct scope_walk *w, Dwarf_Die *die, uint32_t level, int depth)
{
    Dwarf_Die child;
    if (depth >= TREE_MAX_DEPTH || !libdw.dwarf_haschildren(die) || libdw.dwarf_child(die, &child))
        return;
    do {
        walk(w, &child, level, depth + 1);
    } while (!w->result && !libdw.dwarf_siblingof(&child, &child));
}

/* How many places the unit has; *nameless: those of them without a function. */
static uint32_t count_places(const struct scope_walk *w, uint32_t *nameless)
{
    const struct scopes *s = w->scopes;
    Dwarf_Addr base, start, end;
    uint32_t count = 0;
    ptrdiff_t next = 0;
    *nameless = 0;
    while ((next = libdw.dwarf_ranges((Dwarf_Die *)&w->unit, next, &base, &start, &end)) > 0)
        for (uint32_t i = first_place(s, start); i < s->place_count; i++, count++) {
            if (s->places[i].address >= end)
                break;
            *nameless += !s->places[i].innermost;
        }
    return count;
}

/* The line at each place of the unit that has none yet. */
static void read_lines(struct scope_walk *w)
{
    struct scopes *s = w->scopes;
    Dwarf_Addr base, start, end;
    Dwarf_Attribute attribute;
    const char *folder =
        libdw.dwarf_formstring(libdw.dwarf_attr(&w->unit, DW_AT_comp_dir, &attribute));
    ptrdiff_t next = 0;
    while ((next = libdw.dwarf_ranges(&w->unit, next, &base, &start, &end)) > 0)
        for (uint32_t i = first_place(s, start); i < s->place_count; i++) {
            struct scope_place *place = &s->places[i];
            int line = 0;
            if (place->address >= end)
                break;
            Dwarf_Line *found = place->file ? 0 : libdw.dwarf_getsrc_die(&w->unit, place->address);
            if (!found || libdw.dwarf_lineno(found, &line) || line < 0)
                continue;
            place->file = libdw.dwarf_linesrc(found, 0, 0);
            place->folder = folder;
            place->line = (uint32_t)line;
        }
}

/* split: where the unit's tree is, when it stands in a file of its own (.dwo). */
static void read_unit(struct scope_walk *w, Dwarf_Die *split)
{
    Dwarf_Die *tree = split && libdw.dwarf_tag(split) > 0 ? split : &w->unit;
    uint32_t nameless;
    size_t file_count;
    if (!count_places(w, &nameless))
        return;
    if (libdw.dwarf_getsrcfiles(&w->unit, &w->files, &file_count))
        w->files = 0;
    w->nested = false;
    walk_children(w, tree, 0, 0);
    w->nested = true;
    if (!w->result && count_places(w, &nameless) && nameless)
        walk_children(w, tree, 0, 0);
    read_lines(w);
}

int scopes_read(struct scopes *s, Dwarf *debug, struct scope_place *places, uint32_t place_count)
{
    *s = (struct scopes){.places = places, .place_count = place_count};
    struct scope_walk w = {.scopes = s};
    Dwarf_CU *unit = 0;
    Dwarf_Die split;
    uint8_t type;
    while (!w.result && !libdw.dwarf_get_units(debug, unit, &unit, 0, &type, &w.unit, &split))
        if (type == DW_UT_compile || type == DW_UT_skeleton)
            read_unit(&w, &split);
    return w.result;
}

void scopes_release(struct scopes *s)
{
    free(s->items);
    *s = (struct scopes){0};
}
