/* The sources of the pages, as they lie in analyzer/web, inside the program. Why the assembler's
 * .incbin and no generator: nothing but a compiler is needed to build, and what is edited is what
 * is shown. Invariants: static storage; a NUL follows each text. Not here: how pages are put
 * together (analyzer/page.h). */
#ifndef ANALYZER_WEB_ASSETS_H
#define ANALYZER_WEB_ASSETS_H

#define ASSET(name, file) extern const char web_##name[];
#include "analyzer/web/assets.def"
#undef ASSET

#endif
