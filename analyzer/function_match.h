/* Does a function answer to a name as people type it: `load`, `Shop.load`, `shop.Shop.load`,
 * `app.shop.Shop.load`? Why by the end of the dotted path: which folder counts as the top is not
 * known from a trace, and whoever writes a limit adds as much as tells the function from others. A
 * module is its file's path with dots (`/srv/app/shop.py`: srv.app.shop; `app/__init__.py`: app);
 * nested functions are named as Python does (`load.<locals>.row`). Before 3.11 only bare names were
 * recorded: then the classes between module and name are passed over. Not here: what functions hold
 * (check.h). Thread-safe. */
#ifndef ANALYZER_FUNCTION_MATCH_H
#define ANALYZER_FUNCTION_MATCH_H

#include "replay/symbols.h"

/* kind: enum function_kind; file: as recorded. bare: names are not qualified. */
bool function_match(const char *wanted, const struct name *name, const struct name *file,
                    uint8_t kind, bool bare);

#endif
