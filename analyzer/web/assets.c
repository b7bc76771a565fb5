/* The files of analyzer/web, taken in by the assembler (assets.h). Why the path from the root: that
 * is where the compiler is run; the Makefile knows that this depends on the files. */
#include "analyzer/web/assets.h"

#define ASSET(name, file)                                                                          \
    __asm__(".section .rodata\n"                                                                   \
            ".global web_" #name "\n"                                                              \
            "web_" #name ":\n"                                                                     \
            ".incbin \"analyzer/web/" file "\"\n"                                                  \
            ".byte 0\n"                                                                            \
            ".previous\n");
#include "analyzer/web/assets.def"
#undef ASSET
