"""What each city sold each month: report_after.py FILE. Without a file it makes one of 1,500,000 sales first.

It reads only the columns that it needs, in small types, 50,000 rows at a time, and keeps sums. report_before.py prints the same and
holds the whole table; docs/diff.md compares the two.

    memrec run -o before.lz4 examples/report_before.py && memrec run -o after.lz4 examples/report_after.py
    memreplay diff before.lz4 after.lz4
"""
import os
import sys
import tempfile

import pandas

CITIES = ("Graz", "Linz", "Wels", "Wien")


def write_sales(name, rows=1_500_000):
    with open(name, "w") as file:
        file.write("shop,day,price,item,note\n")
        file.writelines(f"{i % 50},{i % 365},{i % 997 / 4},item{i % 1000},{'gift' if i % 7 == 0 else ''}\n" for i in range(rows))


def load(name):
    """The sales in pieces."""
    types = {"shop": "int8", "day": "int16", "price": "float64"}
    return pandas.read_csv(name, usecols=list(types), dtype=types, chunksize=50_000)


def with_cities(sales):
    cities = pandas.Categorical.from_codes(sales["shop"] % 4, CITIES)
    return sales.assign(city=cities)


def per_month(sales):
    sales = sales.assign(month=sales["day"] // 31)
    return sales.groupby(["city", "month"], observed=True)["price"].sum()


def report(name):
    total = None
    for sales in load(name):
        part = per_month(with_cities(sales))
        total = part if total is None else total.add(part, fill_value=0)
    return total


def main(name):
    for (city, month), total in report(name).items():
        print(f"{city} {month:2} {total:14.2f}")


if len(sys.argv) > 1:
    main(sys.argv[1])
else:
    with tempfile.TemporaryDirectory() as folder:
        write_sales(os.path.join(folder, "sales.csv"))
        main(os.path.join(folder, "sales.csv"))
