"""Ways from one Python function into another. Each leads to a block of a size of its own; printed at the end:
{size: [the Python functions on the stack, outermost first]}, and how often C code stood directly between the last two of `lead`."""
import functools
import json
import sys

told, kept = {}, []
counter = 700000


def leaf():
    global counter
    counter += 100
    frame, names = sys._getframe(), []
    while frame:
        names.append(frame.f_code.co_name)
        frame = frame.f_back
    told[counter] = names[::-1]
    kept.append(bytearray(counter))
    return 1


class Ways:
    def __init__(self, go=None):
        if go:
            leaf()

    @property
    def attribute(self):
        return leaf()

    def __getattr__(self, name):
        return leaf() if name == "missing" else None

    def __add__(self, other):
        return leaf()

    def __del__(self):
        if sys and getattr(self, "armed", None):
            leaf()

    def __enter__(self):
        return leaf()

    def __exit__(self, *why):
        leaf()

    def method(self):
        return leaf()


class Meta(type):
    def __call__(cls, *args):
        leaf()
        return super().__call__(*args)


def generator():
    yield leaf()


def delegating():
    yield from generator()


async def coroutine():
    return leaf()


async def awaiting():
    return await coroutine()


def run(awaitable):
    try:
        awaitable.send(None)
    except StopIteration:
        pass


def through_del():
    dying = Ways()
    dying.armed = True
    del dying


def through_except():
    try:
        raise ValueError
    except ValueError:
        leaf()


def through_with():
    with Ways():
        pass


def through_failure():
    try:
        sorted([1, 2], key=lambda x: leaf() and None.nothing)
    except AttributeError:
        leaf()


def recursive(depth, then):
    return recursive(depth - 1, then) if depth else then()


ways = [
    leaf, lambda: leaf(), lambda: sorted([1], key=lambda x: leaf()), lambda: list(generator()), lambda: list(delegating()),
    lambda: [leaf() for _ in range(1)], lambda: list(map(lambda x: leaf(), [1])), lambda: functools.partial(leaf)(), lambda: Ways(go=True),
    lambda: Ways().attribute, lambda: Ways().missing, lambda: Ways() + Ways(), through_del, lambda: exec("leaf()"), lambda: eval("leaf()"),
    lambda: run(coroutine()), lambda: run(awaiting()), through_except, through_with, lambda: Meta("Made", (), {})(), through_failure,
    lambda: Ways().method(), lambda: functools.reduce(lambda a, b: leaf(), [1, 2]), lambda: next(filter(lambda x: leaf(), [1])),
    lambda: recursive(7, lambda: recursive(3, leaf)), lambda: sorted([1], key=lambda x: sorted([1], key=lambda y: leaf()))]

for way in ways:
    way()
    recursive(3, way)
print(json.dumps(told))
