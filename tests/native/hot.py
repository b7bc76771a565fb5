"""Code that CPython's JIT compiles, where it is on: loops that run hot, and among their calls some that lead to a block. Printed at the
end: {size: [the Python functions on the stack, outermost first]}."""
import json
import sys

import telling

told, kept = {}, []
counter = 700000
active = False


def leaf():
    global counter, active
    counter += 100
    hold, names = telling.block(counter, kept)
    told[counter] = names
    active = active or getattr(getattr(sys, "_jit", None), "is_active", bool)()
    hold()
    return 1


def every(i):
    return leaf() if i % 5000 == 4999 else i * 2


class Thing:
    def method(self, i):
        return every(i) + 1

    @property
    def prop(self):
        return every(self.i) + 1

    def __add__(self, i):
        return every(i) + 1


def generated(n):
    for i in range(n):
        yield every(i)


def by_call(n):
    total = 0
    for i in range(n):
        total += every(i) + 1
    return total


def by_method(n):
    thing, total = Thing(), 0
    for i in range(n):
        total += thing.method(i)
    return total


def by_property(n):
    thing, total = Thing(), 0
    for i in range(n):
        thing.i = i
        total += thing.prop
    return total


def by_operator(n):
    thing, total = Thing(), 0
    for i in range(n):
        total += thing + i
    return total


def by_generator(n):
    total = 0
    for i in generated(n):
        total += i
    return total


def by_sorted(n):
    total = 0
    for i in range(n):
        total += sorted([i], key=every)[0]
    return total


def by_map(n):
    total = 0
    for i in range(n):
        total += sum(map(every, (i,)))
    return total


def allocating(n):
    """The block is asked for by compiled code itself, not by a call out of it."""
    held = None
    for i in range(n):
        held = [i] * (3 if i % 1000 else 3000)
    return held


def recursive(depth, then, n):
    return recursive(depth - 1, then, n) if depth else then(n)


for way in (by_call, by_method, by_property, by_operator, by_generator, by_sorted, by_map, allocating):
    way(20000)
    recursive(3, way, 20000)
    sorted([1], key=lambda x: way(20000) and 0)
print(active, file=sys.stderr)
print(json.dumps(told))
