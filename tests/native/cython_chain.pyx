# cython: language_level=3
"""A stack that goes from Python into Cython, through qsort of the C library, back into Python, and into Cython once more.

Each function touches `turns` after its call, so that no compiler makes a jump of it."""
from libc.stdlib cimport malloc

cdef extern from *:
    """
    #include <stdlib.h>
    static volatile int turns;
    """
    int turns
    void qsort(void *, size_t, size_t, int (*)(const void *, const void *) noexcept)

cdef object wanted = None
cdef size_t wanted_bytes = 0
cdef int numbers[2]
numbers[0], numbers[1] = 2, 1


cdef void *innermost(size_t size) noexcept:
    global turns
    cdef void *block = malloc(size)
    turns += 1
    return block


cdef void *deeper(size_t size, int left) noexcept:
    global turns
    cdef void *block = deeper(size, left - 1) if left else innermost(size)
    turns += 1
    return block


def leaf(size_t size):
    """Python -> Cython -> malloc."""
    global turns
    cdef void *block = deeper(size, 2)
    turns += 1
    return <size_t>block


cdef int compare(const void *left, const void *right) noexcept:
    global turns
    wanted(wanted_bytes)
    turns += 1
    return 0


cdef void middle() noexcept:
    global turns
    qsort(numbers, 2, sizeof(int), compare)
    turns += 1


def outer(size_t size, function):
    """Python -> Cython -> qsort -> Cython -> function(size)."""
    global wanted, wanted_bytes, turns
    wanted, wanted_bytes = function, size
    middle()
    turns += 1


cdef class Holder:
    """A method of a class of C's, and a generator."""
    cdef size_t size

    def __init__(self, size):
        self.size = size

    def method(self):
        global turns
        leaf_address = leaf(self.size)
        turns += 1
        return leaf_address

    def generator(self):
        yield leaf(self.size)
        yield 0
