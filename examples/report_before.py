"""What each city sold each month: report_before.py FILE. Without a file it makes one of 1,500,000 sales first.

It reads everything, joins everything, then sums up: the whole table is alive three times at the peak. report_after.py prints the
same and holds little more than the import of pandas; docs/diff.md compares the two.

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
    return pandas.read_csv(name)


def with_cities(sales):
    shops = pandas.DataFrame({"shop": range(50), "city": [CITIES[i % 4] for i in range(50)]})
    return sales.merge(shops, on="shop")


def per_month(sales):
    sales = sales.assign(month=sales["day"] // 31)
    return sales.groupby(["city", "month"])["price"].sum()


def report(name):
    return per_month(with_cities(load(name)))


def main(name):
    for (city, month), total in report(name).items():
        print(f"{city} {month:2} {total:14.2f}")


if len(sys.argv) > 1:
    main(sys.argv[1])
else:
    with tempfile.TemporaryDirectory() as folder:
        write_sales(os.path.join(folder, "sales.csv"))
        main(os.path.join(folder, "sales.csv"))
