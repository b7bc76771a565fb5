"""The bench's workloads: `workloads.py NAME` runs one and prints the seconds that its body took.

Each stands for a kind of program: what it allocates, and how its stacks look, is said at each.
"""
import sys
import time


def calls():
    """Many calls, many small short-lived objects, hardly a malloc."""
    class Point:
        def __init__(self, x, y):
            self.x, self.y = x, y

        def moved(self, by):
            return Point(self.x + by, self.y - by)

    def step(point, by):
        return point.moved(by).moved(-by)

    point = Point(1000, 2000)
    for number in range(2_500_000):
        point = step(point, number)


def mallocs():
    """Blocks over 512 bytes, which reach malloc, eight frames deep."""
    def churn():
        kept = [None] * 1000
        for number in range(5_000_000):
            kept[number % 1000] = bytes(600 + number % 400)

    def at(depth):
        if depth:
            at(depth - 1)
        else:
            churn()
    at(8)


def deep():
    """Blocks over 512 bytes from stacks 100 to 400 frames deep."""
    def at(depth):
        if depth:
            block = bytes(700)
            at(depth - 1)
            return len(block)
        for number in range(200):
            bytes(600 + number)
        return 0

    for round_ in range(8_000):
        at(100 + round_ % 300)


def temporaries():
    """numpy expressions: few events, large blocks."""
    import numpy
    start = time.perf_counter()
    for size in (1_000, 100_000, 1_000_000):
        values = numpy.arange(float(size))
        for _ in range(300_000_000 // size // 3):
            values = (values * 1.5 + 2.0) / 1.5 - 1.0
    return start


def objects():
    """json there and back: millions of small objects that live for a while."""
    import json
    text = json.dumps([{"id": number, "name": f"user {number}", "tags": ["a", "b", str(number)], "score": number / 7}
                       for number in range(60_000)])
    start = time.perf_counter()
    for _ in range(6):
        json.dumps(json.loads(text))
    return start


def tables():
    """pandas: read_csv, groupby, merge."""
    import io
    import pandas
    rows = "\n".join(f"{number % 500},{number % 91},{number * 7 % 1000 / 10}" for number in range(2_000_000))
    start = time.perf_counter()
    table = pandas.read_csv(io.StringIO("shop,day,price\n" + rows))
    means = table.groupby(["shop", "day"])["price"].mean().reset_index()
    table.merge(means, on=["shop", "day"]).sort_values("day").head()
    return start


if __name__ == "__main__":
    body = {each.__name__: each for each in (calls, mallocs, deep, temporaries, objects, tables)}[sys.argv[1]]
    began = time.perf_counter()
    began = body() or began
    print(f"body {time.perf_counter() - began:.6f}")
