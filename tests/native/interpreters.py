"""Interpreters inside of one another: subinterpreters that share the GIL and, where the version has them, with one of their own, run from
a callback and from a thread, too. Each prints {size: [its own Python functions on the stack, outermost first]} on a line."""
import os
import sys
import threading

SOURCE = """
import json, sys
sizes, told, kept = iter(range({first}, {first} + 100000, 100)), {{}}, []


def leaf():
    size = next(sizes)
    here = {{"kept": kept}}
    exec(f"def leaf{{size}}(): kept.append(bytearray({{size}}))", here)
    frame, names = sys._getframe(), [f"leaf{{size}}"]
    while frame:
        names.append(frame.f_code.co_name)
        frame = frame.f_back
    told[size] = names[::-1]
    here[names[0]]()
    return 1


def recursive(depth, then):
    return recursive(depth - 1, then) if depth else then()


leaf()
recursive(3, leaf)
sorted([1], key=lambda x: leaf())
recursive(2, lambda: list(map(lambda x: leaf(), [1])))
sys.stdout.write(json.dumps(told) + chr(10))
sys.stdout.flush()
"""

if sys.version_info >= (3, 13):
    import _interpreters as interpreters
    ways = [("legacy",), ("isolated",)]
    run = interpreters.exec
else:
    import _xxsubinterpreters as interpreters
    ways = [False, True] if sys.version_info >= (3, 12) else [None]
    run = interpreters.run_string


made = []


def create(way):
    if isinstance(way, tuple):
        return interpreters.create(*way)
    return interpreters.create() if way is None else interpreters.create(isolated=way)


def go(first, way):
    made.append(create(way))  # which ends when nobody knows it any more
    run(made[-1], SOURCE.format(first=first))


first = 700000
for way in ways:
    go(first, way)
    sorted([1], key=lambda x: go(first + 100000, way) or 0)
    thread = threading.Thread(target=go, args=(first + 200000, way))
    thread.start()
    thread.join()
    first += 300000
exec(SOURCE.format(first=first), {})
os._exit(0)  # some versions hang at their end while there are others
