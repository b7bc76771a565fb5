"""Three arrays, two of them never touched: what was asked for is seven times what is resident.

numpy.zeros gets its zeroes from the kernel, page by page as they are touched. So the peak is 560 MiB in requests, most of it in
`make_big_array`, while only the 80 MiB of `numpy.ones` are memory; memrec tells both.

    memrec run -o arrays.lz4 examples/arrays.py && memreplay peak arrays.lz4
"""
import numpy


def make_big_array():
    return numpy.zeros((1024, 1024, 50))  # 400 MiB, never touched


def make_two_arrays():
    untouched = numpy.zeros((1024, 1024, 10))  # 80 MiB, never touched
    touched = numpy.ones((1024, 1024, 10))  # 80 MiB
    return untouched, touched


def main():
    two = make_two_arrays()
    big = make_big_array()
    print(f"{sum(array.nbytes for array in two) + big.nbytes} bytes in three arrays")


main()
