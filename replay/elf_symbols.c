/* Symbols in one sorted array (elf_symbols.h). Why `reach`: symbols may lie in others; the search
 * goes back from the last that starts before the address only as far as one can still hold it. */
#include "replay/elf_symbols.h"

#include "format/error.h"
#include "format/grow.h"
#include "replay/libdw.h"
#include <string.h>

static bool is_function(const GElf_Sym *symbol)
{
    int type = GELF_ST_TYPE(symbol->st_info);
    bool code = type == STT_FUNC || type == STT_GNU_IFUNC || type == STT_NOTYPE;
    bool placed = symbol->st_shndx != SHN_UNDEF && symbol->st_shndx != SHN_ABS &&
                  symbol->st_shndx != SHN_COMMON;
    return code && placed && symbol->st_size;
}

static int add(struct elf_symbols *s, const GElf_Sym *symbol, uint64_t start, const char *name)
{
    if (s->count == s->capacity && !GROW(s->items, s->capacity, 1024u))
        return -ERR_NOMEM;
    uint64_t end = start + symbol->st_size;
    if (end > start)
        s->items[s->count++] = (struct elf_symbol){
            .start = start, .end = end, .name = name, .binding = GELF_ST_BIND(symbol->st_info)};
    return 0;
}

static unsigned underscores(const char *name) { return (unsigned)strspn(name, "_"); }

/* Of several names for the same bytes: one that others can call, as programs call it ("fputs",
 * which libc has as a weak alias of "_IO_fputs"). */
static int better(const struct elf_symbol *a, const struct elf_symbol *b)
{
    int local = (a->binding == STB_LOCAL) - (b->binding == STB_LOCAL);
    int more = (int)underscores(a->name) - (int)underscores(b->name);
    int weak = (a->binding == STB_WEAK) - (b->binding == STB_WEAK);
    size_t left = strlen(a->name), right = strlen(b->name);
    if (local || more || weak)
        return local ? local : more ? more : weak;
    return left != right ? (left < right ? -1 : 1) : strcmp(a->name, b->name);
}

/* Larger ones come first, so that the innermost of one start comes last. */
static int by_place(const void *left, const void *right)
{
    const struct elf_symbol *a = left, *b = right;
    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    if (a->end != b->end)
        return a->end > b->end ? -1 : 1;
    return better(a, b);
}

static void arrange(struct elf_symbols *s)
{
    uint32_t kept = 0;
    uint64_t reach = 0;
    if (s->count)
        qsort(s->items, s->count, sizeof *s->items, by_place);
    for (uint32_t i = 0; i < s->count; i++) {
        const struct elf_symbol *last = kept ? &s->items[kept - 1] : 0;
        if (last && last->start == s->items[i].start && last->end == s->items[i].end)
            continue;
        reach = s->items[i].end > reach ? s->items[i].end : reach;
        s->items[kept] = s->items[i];
        s->items[kept++].reach = reach;
    }
    s->count = kept;
}

int elf_symbols_read(struct elf_symbols *s, Dwfl_Module *module)
{
    *s = (struct elf_symbols){0};
    int count = libdw.dwfl_module_getsymtab(module);
    for (int i = 0; i < count; i++) {
        GElf_Sym symbol;
        GElf_Addr start;
        const char *name = libdw.dwfl_module_getsym_info(module, i, &symbol, &start, 0, 0, 0);
        if (name && *name && is_function(&symbol) && add(s, &symbol, start, name))
            return -ERR_NOMEM;
    }
    arrange(s);
    return 0;
}

void elf_symbols_release(struct elf_symbols *s)
{
    free(s->items);
    *s = (struct elf_symbols){0};
}

const char *elf_symbols_find(const struct elf_symbols *s, uint64_t address)
{
    uint32_t low = 0, high = s->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (s->items[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low && s->items[low - 1].reach > address; low--)
        if (s->items[low - 1].end > address)
            return s->items[low - 1].name;
    return 0;
}
