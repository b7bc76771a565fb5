"""Objects and blocks of known sizes, each kind from a function of its own; prints what the interpreter says of their sizes.

The output must be the same with and without a recorder, and under every setting of the interpreter's allocators but for the
numbers that the settings themselves change (there are none here). Few imports, so that little else is in the recording."""
import ctypes
import mmap
import sys
import time

COUNT = 20_000


def bytes_of_1000():
    return [bytes(1000) for _ in range(COUNT)]


def bytes_of_100():
    return [bytes(100) for _ in range(COUNT)]


class Slotted:
    __slots__ = ("a", "b")


def slotted_objects():
    return [Slotted() for _ in range(COUNT)]


def plain_objects():
    return [object() for _ in range(COUNT)]


def tuples():
    return [tuple([i, i]) for i in range(COUNT)]


def one_list():
    return [None] * COUNT


def byte_array():
    return bytearray(20_000_000)


def anonymous_map():
    return mmap.mmap(-1, 30 << 20)


def private_map():
    return mmap.mmap(-1, 10 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


python = ctypes.pythonapi
for name in ("PyMem_RawMalloc", "PyMem_Malloc", "PyObject_Malloc", "PyMem_RawRealloc", "PyMem_Realloc", "PyObject_Realloc",
             "PyMem_RawCalloc", "PyMem_Calloc", "PyObject_Calloc"):
    getattr(python, name).restype = ctypes.c_void_p
for kind in ("PyMem_Raw", "PyMem_", "PyObject_"):
    getattr(python, kind + "Malloc").argtypes = [ctypes.c_size_t]
    getattr(python, kind + "Calloc").argtypes = [ctypes.c_size_t, ctypes.c_size_t]
    getattr(python, kind + "Realloc").argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    getattr(python, kind + "Free").argtypes = [ctypes.c_void_p]
    getattr(python, kind + "Free").restype = None
kept = []


def call_raw():
    kept.append(python.PyMem_RawMalloc(5_001))


def call_mem():
    kept.append(python.PyMem_Malloc(6_001))


def call_object():
    kept.append(python.PyObject_Malloc(7_001))


def call_calloc():
    kept.append(python.PyObject_Calloc(9, 1_001))


def call_realloc():
    kept.append(python.PyMem_Realloc(python.PyMem_Malloc(3_000), 11_001))


def realloc_to_zero():
    for _ in range(200):
        kept.append(python.PyMem_Realloc(python.PyMem_Malloc(50_000), 0))
        assert kept[-1]


def realloc_to_zero_and_free():
    for _ in range(200):
        python.PyMem_Free(python.PyMem_Realloc(python.PyMem_Malloc(60_000), 0))


def realloc_fails():
    block = python.PyMem_RawMalloc(13_001)
    assert python.PyMem_RawRealloc(block, sys.maxsize - 4096) is None
    kept.append(block)


def global_malloc():
    library = ctypes.CDLL(None)
    library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    library.free.argtypes = [ctypes.c_void_p]
    kept.append(library.malloc(15_000_001))
    library.free(library.malloc(16_000_001))


def down(depth):
    return down(depth - 1) if depth else kept.append(bytearray(1_000_000))


def end():
    return bytes(100_000_000)


everything = [bytes_of_1000(), bytes_of_100(), slotted_objects(), plain_objects(), tuples(), one_list(), byte_array(),
              anonymous_map(), private_map()]
if "start_tracing" in sys.argv:
    import tracemalloc
    tracemalloc.start()
for call in (call_raw, call_mem, call_object, call_calloc, call_realloc, realloc_to_zero, realloc_to_zero_and_free, realloc_fails,
             global_malloc):
    call()
if "start_tracing" in sys.argv:
    traced = bytes(30_000_000)
    assert tracemalloc.get_traced_memory()[0] >= 30_000_000
    tracemalloc.stop()
    del traced, tracemalloc
if "pause" in sys.argv:
    time.sleep(0.5)  # whoever samples has seen everything but the end
everything.append(end())
if "pause" in sys.argv:
    time.sleep(0.5)
print({
    "bytes_of_1000": sys.getsizeof(bytes(1000)), "bytes_of_100": sys.getsizeof(bytes(100)),
    "slotted_objects": sys.getsizeof(Slotted()), "plain_objects": sys.getsizeof(object()), "tuples": sys.getsizeof((1, 2)),
    "byte_array": 20_000_000 - 10 + sys.getsizeof(bytearray(10)) - sys.getsizeof(bytearray()),
    "one_list": sys.getsizeof([None] * COUNT) - sys.getsizeof([])})
