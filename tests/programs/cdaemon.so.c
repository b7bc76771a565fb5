/* A library for Python scripts to call: threads of C that nobody ends, still at work while the
 * interpreter and then the process end. start(plain, holding): that many threads that never ask
 * for the GIL, and that take and give it back all the time. Each first mallocs 1,000,001 bytes,
 * which it keeps. Returns when all of them have begun to loop.
 * Python's functions are found in the interpreter that loads this; no header is needed. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern int PyGILState_Ensure(void);
extern void *PyEval_SaveThread(void);
extern void PyEval_RestoreThread(void *state);
extern void *PyMem_RawMalloc(size_t bytes);
extern void PyMem_RawFree(void *block);
extern void *PyBytes_FromStringAndSize(const char *from, ssize_t bytes);
extern void Py_DecRef(void *object);

enum { KEPT_BYTES = 1000001, ROUND = 50, PAUSE_US = 200 };
static void *volatile kept[64];
static atomic_int begun;

static void keep(void)
{
    void *block = memset(malloc(KEPT_BYTES), 1, KEPT_BYTES);
    kept[atomic_fetch_add(&begun, 1)] = block;
}

static void use_raw(void)
{
    for (size_t i = 0; i < ROUND; i++) {
        void *volatile one = malloc(100 + i), *volatile other = PyMem_RawMalloc(1000 + i);
        free(one);
        PyMem_RawFree(other);
    }
}

static void *plain(void *unused)
{
    keep();
    for (;;) {
        use_raw();
        usleep(PAUSE_US);
    }
    return unused;
}

/* Once the interpreter ends, PyEval_RestoreThread ends this thread or never returns. */
static void *holding(void *unused)
{
    PyGILState_Ensure();
    keep();
    for (;;) {
        for (size_t i = 0; i < ROUND; i++)
            Py_DecRef(PyBytes_FromStringAndSize(NULL, (ssize_t)(100 + 20 * i)));
        void *state = PyEval_SaveThread();
        use_raw();
        usleep(PAUSE_US);
        PyEval_RestoreThread(state);
    }
    return unused;
}

/* Called without the GIL (ctypes.CDLL gives it back). */
int start(int plain_count, int holding_count)
{
    pthread_t thread;
    for (int i = 0; i < plain_count + holding_count; i++)
        if (pthread_create(&thread, NULL, i < plain_count ? plain : holding, NULL) ||
            pthread_detach(thread))
            return -1;
    while (atomic_load(&begun) < plain_count + holding_count)
        usleep(PAUSE_US);
    return 0;
}
