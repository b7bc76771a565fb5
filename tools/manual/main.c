/* Writes one man page or completion to stdout; a build rule calls it for each.
 *   manual page memrec docs/man/memrec.1.in
 *   manual bash|zsh|fish memrec|memreplay
 * Not here: what is written (page.c, shells.c). */
#include "tools/manual/manual.h"

#include <string.h>

static int usage(void)
{
    fputs("manual page PROGRAM TEMPLATE | manual bash|zsh|fish PROGRAM\n", stderr);
    return 2;
}

static int write_page(const struct manual_program *p, const char *name)
{
    FILE *template = name ? fopen(name, "re") : 0;
    if (!template) {
        fprintf(stderr, "manual: %s cannot be read\n", name ? name : "the template");
        return 1;
    }
    bool done = manual_page(p, template, stdout);
    fclose(template);
    return !done;
}

int main(int argc, char **argv)
{
    struct manual_program p = argc > 2 ? manual_program(argv[2]) : (struct manual_program){0};
    int status = 0;
    if (!p.name)
        return usage();
    if (!strcmp(argv[1], "page"))
        status = write_page(&p, argv[3]);
    else if (!strcmp(argv[1], "bash"))
        manual_bash(&p, stdout);
    else if (!strcmp(argv[1], "zsh"))
        manual_zsh(&p, stdout);
    else if (!strcmp(argv[1], "fish"))
        manual_fish(&p, stdout);
    else
        return usage();
    return fflush(stdout) ? 1 : status;
}
