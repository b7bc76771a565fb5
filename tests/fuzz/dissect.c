/* dissect TRACE: its recipe (recipe.h) on stdout, behind a byte for the command: seeds for
 * build/fuzz/columns. Why a program: the corpus is made anew from recordings when the format
 * changes. Not here: the way back (recipe_cook). */
#include "tests/fuzz/recipe.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    size_t size;
    int fd = argc == 2 ? open(argv[1], O_RDONLY) : -1;
    uint8_t *recipe = fd >= 0 ? recipe_of(fd, &size) : NULL;
    if (!recipe) {
        fprintf(stderr, "usage: dissect TRACE (a sound one)\n");
        return 2;
    }
    putchar(0);
    fwrite(recipe, 1, size, stdout);
    free(recipe);
    return 0;
}
