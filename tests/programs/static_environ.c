/* Prints the names of its environment that concern preloading, and its arguments. Linked
 * statically: no loader, no preload. */
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    printf("static %d %s %s\n", argc, argv[argc - 1], getenv("HOME") ? "home" : "-");
    return 3;
}
