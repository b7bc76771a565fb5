"""A small data job whose memory peaks where one would not look first.

It reads sales as a table (pandas), makes a matrix of them (numpy) and scales it. The table and the result are small beside
the moment inside `scaled` when three matrices of 96 MB are alive together: that is the peak, well over 300 MB.

    memrec run -o peak.lz4 examples/peak.py && memreplay peak peak.lz4
"""
import numpy
import pandas

ROWS = 1_200_000
COLUMNS = 10  # of 8 bytes: 96 MB a matrix


def read_sales():
    """A table of 1.2 million sales: shop, day and price."""
    rows = numpy.arange(ROWS)
    return pandas.DataFrame({"shop": rows % 50, "day": rows % 365, "price": (rows % 997) / 10})


def per_day(sales):
    """The mean price of each day, a small table."""
    return sales.groupby("day")["price"].mean()


def as_matrix(sales):
    """Each price ten times, weighted 1 to 10."""
    return numpy.outer(sales["price"].to_numpy(), numpy.arange(1.0, COLUMNS + 1))


def scaled(matrix):
    """Columns with mean 0 and deviation 1. Beside its argument it holds two more matrices."""
    difference = matrix - matrix.mean(axis=0)
    return difference / difference.std(axis=0)


def main():
    sales = read_sales()
    days = per_day(sales)
    matrix = scaled(as_matrix(sales))
    print(f"{len(days)} days, {matrix.shape[0]} rows, largest value {matrix.max():.2f}")


main()
