/* A program that says it is CPython, of the version in FAKE_VERSION, and has none of its structs:
 * what a patched or unreleased build may look like.
 *
 * build-flags: -rdynamic
 */
#include <stdio.h>
#include <stdlib.h>

char _PyRuntime[8192], PyCode_Type[1024], PyFrame_Type[1024], PyBytes_Type[1024],
    PyUnicode_Type[1024];

const char *Py_GetVersion(void) { return getenv("FAKE_VERSION"); }
void *_PyThreadState_UncheckedGet(void) { return NULL; }
void *PyThreadState_GetUnchecked(void) { return NULL; }
void *PyGILState_GetThisThreadState(void) { return NULL; }

int main(void)
{
    puts("program ran");
    return 0;
}
