/* Modules by path and build id (module_list.h). Why both texts in one key: they are interned, so
 * their addresses stand for them. */
#include "analyzer/module_list.h"

#include "format/error.h"
#include <stdlib.h>

static uint64_t key_of(const struct name *path, const struct name *build_id)
{
    uint64_t key = (uintptr_t)path * UINT64_C(0x9E3779B97F4A7C15) + (uintptr_t)build_id;
    return key == UINT64_MAX ? 0 : key;
}

static const struct function *function_of(const struct model *m, const struct module *module)
{
    const struct function *f = symbols_function(&m->symbols, module->function);
    return f && f->module->length ? f : 0;
}

/* Numbers the module of a function. */
static int add(struct module_list *l, const struct function *f, const struct module *at)
{
    bool met;
    uint32_t number = numbering_of(&l->numbers, key_of(f->module, f->build_id), &met);
    if (number == UINT32_MAX)
        return -ERR_NOMEM;
    if (!met)
        l->items[number] = (struct listed_module){f->module, f->build_id, at, false};
    l->items[number].nameless |= f->is_address;
    return 0;
}

int module_list_init(struct module_list *l, const struct model *m)
{
    int rc = numbering_init(&l->numbers);
    l->items = calloc(m->module_count + m->symbols.functions.limit + 1ul, sizeof *l->items);
    rc = l->items ? rc : -ERR_NOMEM;
    for (size_t i = 0; i < m->module_count && !rc; i++) {
        const struct function *f = function_of(m, &m->modules[i]);
        rc = f ? add(l, f, &m->modules[i]) : 0;
    }
    for (uint32_t id = FUNCTION_FIRST; id < m->symbols.functions.limit && !rc; id++) {
        const struct function *f = symbols_function(&m->symbols, id);
        rc = f && f->module->length ? add(l, f, 0) : 0;
    }
    return rc;
}

void module_list_release(struct module_list *l)
{
    numbering_release(&l->numbers);
    free(l->items);
    l->items = 0;
}

uint32_t module_list_find(struct module_list *l, const struct function *f)
{
    bool met;
    if (!f || !f->module->length)
        return UINT32_MAX;
    return numbering_of(&l->numbers, key_of(f->module, f->build_id), &met);
}
