/* The modules that machine code of a recording belongs to, each once, as formats list them: path
 * and build id tell them apart. Why apart from the model: there a module stands at each place where
 * it was loaded, in each process. Not here: names of functions. Not thread-safe. */
#ifndef ANALYZER_MODULE_LIST_H
#define ANALYZER_MODULE_LIST_H

#include "analyzer/numbering.h"
#include "replay/model.h"

struct listed_module {
    const struct name *path, *build_id;
    const struct module *at; /* where it was loaded first; NULL: not told */
    bool nameless;           /* some function in it is only an address */
};

struct module_list {
    struct numbering numbers;
    struct listed_module *items; /* [numbers.count] */
};

/* Lists all modules of a model, which is borrowed. Returns 0 or -ERR_NOMEM; release is needed in
 * both cases. */
int module_list_init(struct module_list *l, const struct model *m);
/* Frees the list. */
void module_list_release(struct module_list *l);
/* The number of a function's module; UINT32_MAX: it has none that is known. */
uint32_t module_list_find(struct module_list *l, const struct function *f);

#endif
