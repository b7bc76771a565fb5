"""The bench's workloads: `workloads.py NAME [scale=1] [count=N]` runs one, in whatever interpreter and under whatever recorder.

Each stands for a kind of program: what it allocates, and how its stacks look, is said at each. At scale 1 a body takes 2 to
6 s on a machine of 2025; `count` is the number that a workload's own scaling turns (distinct stacks, threads). What is not the
body (imports, documents made beforehand) happens before the clock starts: a workload returns its body. The last line says
what the body took and what the process held: "bench {json}". Nothing of the bench is imported here.
"""
import importlib
import json
import os
import sys
import time

DATA = os.environ.get("MEMREC_BENCH_DATA", ".")


def calls(scale, count):
    """Many calls, many small short-lived objects, hardly a malloc."""
    class Point:
        def __init__(self, x, y):
            self.x, self.y = x, y

        def moved(self, by):
            return Point(self.x + by, self.y - by)

    def step(point, by):
        return point.moved(by).moved(-by)

    def body():
        point = Point(1000, 2000)
        for number in range(int(5_000_000 * scale)):
            point = step(point, number)
    return body


def mallocs(scale, count):
    """Blocks over 512 bytes, which reach malloc, eight frames deep."""
    def churn():
        kept = [None] * 1000
        for number in range(int(12_000_000 * scale)):
            kept[number % 1000] = bytes(600 + number % 400)

    def at(depth):
        if depth > 1:
            at(depth - 1)
        else:
            churn()
    return lambda: at(8)


def deep(scale, count):
    """Blocks over 512 bytes at 100 to 400 frames: one at each call on the way down, 200 at the bottom."""
    def at(depth):
        if depth:
            block = bytes(700)
            at(depth - 1)
            return len(block)
        for number in range(200):
            bytes(600 + number)
        return 0

    def body():
        for turn in range(int(14_000 * scale)):
            at(100 + turn % 300)
    return body


def thirty(scale, count):
    """Blocks over 512 bytes thirty frames deep, from a line that calls C, which calls Python once more on the way."""
    def churn():
        for number in range(int(6_000_000 * scale)):
            bytes(600 + number % 400)

    def at(depth):
        if depth > 2:
            at(depth - 1)
        else:
            list(map(lambda _: churn(), [None]))
    return lambda: at(30)


def arrays(scale, count):
    """numpy temporaries: few events, large blocks."""
    import numpy

    def body():
        for size in (1_000, 100_000, 1_000_000):
            values = numpy.arange(float(size))
            for _ in range(int(350_000_000 * scale) // size):
                values = (values * 1.5 + 2.0) / 1.5 - 1.0
    return body


def tables(scale, count):
    """pandas: read_csv, groupby, merge."""
    import pandas
    path = document("sales.csv", write_sales)

    def body():
        for _ in range(max(1, round(6 * scale))):
            table = pandas.read_csv(path, nrows=None if scale >= 0.25 else int(4_000_000 * scale))
            means = table.groupby(["shop", "day"])["price"].mean().reset_index()
            table.merge(means, on=["shop", "day"]).sort_values("day").head()
    return body


def write_sales(file):
    for number in range(1_000_000):
        file.write(f"{number % 500},{number % 91},{number * 7 % 1000 / 10}\n" if number else "shop,day,price\n")


def parse(scale, count):
    """json of an 80 MB document, there and back: millions of small objects that live for a while."""
    path = document("users.json", write_users)
    with open(path) as file:
        text = file.read()
    if scale < 1:
        text = text[:text.index("\n", int(len(text) * scale))].rstrip(",") + "]"

    def body():
        for _ in range(max(1, round(scale))):
            json.dumps(json.loads(text))
    return body


def write_users(file):
    lines = (json.dumps({"id": number, "name": f"user {number}", "tags": ["a", "b", str(number)], "score": number / 7,
                         "address": {"street": f"{number % 977} Main Street", "city": f"Town {number % 1009}"}})
             for number in range(500_000))
    file.write("[" + ",\n".join(lines) + "]")


def forest(scale, count):
    """scikit-learn: a random forest on two threads of joblib's."""
    import numpy
    from sklearn.ensemble import RandomForestClassifier
    source = numpy.random.default_rng(7)
    facts = source.random((12_000, 20))
    classes = (facts.sum(axis=1) + source.random(12_000) > 10.5).astype(int)

    def body():
        model = RandomForestClassifier(n_estimators=max(2, int(120 * scale)), n_jobs=2, random_state=7)
        model.fit(facts, classes).predict(facts)
    return body


def threads(scale, count):
    """Python threads (8, or `count`) that each allocate small objects and blocks over 512 bytes; the work is shared out."""
    import threading
    count = count or 8

    def work(rounds):
        kept = [None] * 100
        for number in range(rounds):
            kept[number % 100] = (bytes(600 + number % 100), [number])

    def body():
        rounds = int(11_000_000 * scale) // count
        workers = [threading.Thread(target=work, args=(rounds,)) for _ in range(count)]
        for each in workers:
            each.start()
        for each in workers:
            each.join()
    return body


def imports(scale, count):
    """What starting a data job costs: modules, code objects, the loader."""
    def body():
        import pandas
        import pyarrow.compute, pyarrow.csv, pyarrow.dataset, pyarrow.flight, pyarrow.parquet  # noqa: E401
        import sklearn
        import scipy
        for package in (sklearn, scipy):
            for name in package.__all__:
                try:
                    importlib.import_module(f"{package.__name__}.{name}")
                except ImportError:
                    pass
    return body


def tasks(scale, count):
    """asyncio with 100,000 tasks at once: coroutines, futures, callbacks."""
    import asyncio

    async def answer(number):
        for turn in range(6):
            await asyncio.sleep(0)
        return {"number": number, "text": str(number)}

    async def everybody():
        await asyncio.gather(*(answer(number) for number in range(int(100_000 * scale))))
    return lambda: asyncio.run(everybody())


def stacks(scale, count):
    """A million distinct stacks (or `count`), ten ways at each level: each stack keeps one block, then allocates more.
    """
    count = count or max(1000, int(1_000_000 * scale))
    kept = []

    def leaf(keep):
        if keep:
            kept.append(bytes(520))
        else:
            bytes(530)

    def ways(left, keep):
        if left <= 1:
            return leaf(keep)
        for way in WAYS:
            way(ways, left // 10, keep)

    def body():
        kept.clear()
        passes = max(1, round(7_500_000 * scale / count))
        for turn in range(passes):
            ways(count, turn == 0)
    return body


# Ten functions rather than ten lines: each level has as many distinct nodes.
WAYS = []
for _number in range(10):
    exec(f"def way{_number}(ways, left, keep): return ways(left, keep)\nWAYS.append(way{_number})")


def randoms(scale, count):
    """Random sizes into random places from 16 functions: what nothing periodic helps to write down. Not one of the twelve.

    A block's size, place and function are drawn from 1,000, 1,024 and 16: 24 bits, so 1.5 bytes an event are the floor.
    """
    import array
    import random
    source = random.Random(7)
    rounds = int(2_000_000 * scale)
    draws = [array.array("I", (source.randrange(bound) for _ in range(rounds))) for bound in (1_024, 1_000, 16)]
    makers = []
    for number in range(16):
        exec(f"def make{number}(size): return bytes(513 + size)\nmakers.append(make{number})", {"makers": makers})

    def body():
        kept = [None] * 1_024
        for place, size, maker in zip(*draws):
            kept[place] = makers[maker](size)
    return body


def empty(scale, count):
    """Nothing: what starting costs."""
    return lambda: None


def document(name, write):
    """The path of a document that is made once and kept."""
    path = os.path.join(DATA, name)
    if not os.path.exists(path):
        os.makedirs(DATA, exist_ok=True)
        with open(f"{path}.{os.getpid()}", "w") as file:
            write(file)
        os.rename(file.name, path)
    return path


def most_resident_bytes():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


def documents(scale, count):
    """Makes the documents beforehand."""
    document("sales.csv", write_sales)
    document("users.json", write_users)
    return lambda: None


ALL = (calls, mallocs, deep, thirty, arrays, tables, parse, forest, threads, imports, tasks, stacks, randoms, empty, documents)


def main(name, *settings):
    given = dict(each.split("=") for each in settings)
    body = {each.__name__: each for each in ALL}[name](float(given.get("scale", 1)), int(given.get("count", 0)))
    began, cpu = time.perf_counter(), time.process_time()
    body()
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    print("bench", json.dumps({"pid": os.getpid(), "body_s": took, "body_cpu_s": cpu, "rss_bytes": most_resident_bytes()}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
