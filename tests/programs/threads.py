"""Threads with known holdings: threads.py LIBRARY. Sizes are listed in tests/e2e/test_stacks_threads.py."""
import ctypes
import sys
import threading

library = ctypes.CDLL(sys.argv[1])
library.hold.restype = library.hold_deep.restype = ctypes.c_void_p
library.hold.argtypes = library.hold_in_thread.argtypes = library.hold_in_thread_of_thread.argtypes = [ctypes.c_size_t]
library.give.argtypes = [ctypes.c_void_p]
library.hold_deep.argtypes = [ctypes.c_size_t, ctypes.c_int]
kept = []
all_hold, release = threading.Barrier(5), threading.Event()


def first():
    kept.append(bytearray(1_000_001))  # at: first


def second():
    kept.append(bytearray(2_000_001))  # at: second


def third():
    kept.append([bytearray(3_000_001)])  # at: third


def fourth():
    mine = bytearray(4_000_001)  # at: fourth
    all_hold.wait()
    release.wait()
    return mine


def work(what):
    what()
    if what is not fourth:
        all_hold.wait()
        release.wait()


def make_c_thread():
    assert library.hold_in_thread(5_000_002) == 0  # at: make_c_thread


def make_c_thread_of_thread():
    assert library.hold_in_thread_of_thread(6_000_002) == 0  # at: make_c_thread_of_thread


def called_back():
    kept.append(bytearray(7_000_001))  # at: called_back


def call_back():
    assert library.call_back(ctypes.CFUNCTYPE(None)(called_back)) == 0


def freed_elsewhere():
    block = library.hold(8_000_000)
    other = threading.Thread(target=library.give, args=[block])
    other.start()
    other.join()


def deep():
    kept.append(library.hold_deep(9_000_001, 20000))  # at: deep


def end():
    kept.append(bytearray(50_000_001))  # at: end


freed_elsewhere()
make_c_thread()
make_c_thread_of_thread()
call_back()
deep()
workers = [threading.Thread(target=work, args=[what], name=what.__name__) for what in (first, second, third, fourth)]
for worker in workers:
    worker.start()
all_hold.wait()
end()
release.set()
for worker in workers:
    worker.join()
