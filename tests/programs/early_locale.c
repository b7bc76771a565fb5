/* Its first allocation of all is libc's own, beneath newlocale, which holds the lock on locales;
 * who translates a message there gives up a lock that it never had, and the next setlocale waits
 * for ever. Before any constructor, as in libraries that others depend on. Prints 0 when all is
 * well. */
#define _GNU_SOURCE
#include <locale.h>
#include <stdio.h>
#include <unistd.h>

static locale_t early;

static void make_locale(void) { early = newlocale(LC_ALL_MASK, "C.UTF-8", (locale_t)0); }

__attribute__((section(".preinit_array"), used)) static void (*const first)(void) = make_locale;

int main(void)
{
    alarm(60);
    int wrong = early == (locale_t)0 || !setlocale(LC_ALL, "C.UTF-8") || !setlocale(LC_ALL, "C");
    printf("%d\n", wrong);
    return wrong;
}
