"""Ways from one function into another, through C code and without, for programs that switch stacks in the middle of them."""
import ctypes
import sys

comparison = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
qsort = ctypes.CDLL(None).qsort
qsort.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, comparison]
qsort.restype = None


def by_call(then):
    return then()


def by_sorted(then):
    return sorted([1], key=lambda x: then() or 0)


def by_map(then):
    return list(map(lambda x: then(), [1]))


def by_qsort(then):
    two = (ctypes.c_int * 2)(1, 2)
    qsort(two, 2, 4, comparison(lambda a, b: [then()] and 0))


def by_exec(then):
    exec("then()", {"then": then})


ways = [by_call, by_exec]
if "free-threading" not in sys.version:  # where greenlet crashes when it is switched inside of C's callbacks
    ways += [by_sorted, by_map, by_qsort]


def through(chance, depth, then):
    """then() under `depth` ways into one another."""
    if depth == 0:
        return then()
    return chance.choice(ways)(lambda: through(chance, depth - 1, then))
