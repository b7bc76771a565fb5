/* A library that allocates while it is loaded and unloaded. */
#include <stdlib.h>
#include <string.h>

static char *block;

__attribute__((constructor)) static void loaded(void)
{
    char *volatile aside = malloc(700);
    block = malloc(3000);
    block = realloc(block, 4000);
    memset(block, 1, 4000);
    free(aside);
}

__attribute__((destructor)) static void unloaded(void)
{
    free(block);
    free(malloc(800));
}
