"""Reads a CSV file with pandas and groups it: read_csv FILE. Without a file it makes one of 400,000 rows first.

What pandas' parser and converters ask for and never touch is a large part of the peak in requests; the resident part of it is
what the process grew by.

    memrec run -o read_csv.lz4 examples/read_csv.py && memreplay peak read_csv.lz4
"""
import os
import sys
import tempfile

import pandas


def write_sales(name, rows=400_000):
    with open(name, "w") as file:
        file.write("shop,day,price,item\n")
        file.writelines(f"{i % 50},{i % 365},{i % 997 / 10},item{i % 1000}\n" for i in range(rows))


def load(name):
    return pandas.read_csv(name)


def per_shop(sales):
    return sales.groupby("shop")["price"].mean()


def anonymous_bytes():
    """What this process holds of anonymous memory, as the kernel counts it."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon"))


def main(name):
    before = anonymous_bytes()
    sales = load(name)
    grown = anonymous_bytes() - before
    print(f"{len(sales)} rows, mean prices from {per_shop(sales).min():.2f} to {per_shop(sales).max():.2f}")
    print(f"grown by {grown} bytes", file=sys.stderr)


if len(sys.argv) > 1:
    main(sys.argv[1])
else:
    with tempfile.TemporaryDirectory() as folder:
        write_sales(os.path.join(folder, "sales.csv"))
        main(os.path.join(folder, "sales.csv"))
