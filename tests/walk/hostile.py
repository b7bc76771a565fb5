"""Run by an interpreter under test with the harness preloaded: hostile.py HARNESS COMPARISONS [greenlets].

Calls the walker from every place where stacks are hard to read and compares what it says, frame by
frame, with sys._getframe. Prints one JSON object."""
import asyncio
import ctypes
import functools
import gc
import json
import os
import random
import re
import sys
import threading
import types
import weakref

L = ctypes.PyDLL(sys.argv[1])
FREE = ctypes.CDLL(sys.argv[1])  # releases the GIL around each call
for library in (L, FREE):
    library.harness_name.restype = library.harness_filename.restype = ctypes.c_char_p
    library.harness_fact.restype = ctypes.c_char_p
    library.harness_walk.restype = ctypes.c_uint32
    library.harness_code.restype = library.harness_parent.restype = ctypes.c_uint32
    library.harness_cost.restype = ctypes.c_double
    for counter in ("compared", "differing", "errno_changed", "lost", "truncated"):
        getattr(library, "harness_" + counter).restype = ctypes.c_uint64

VERSION = sys.version_info[:2]
FREE_THREADED = not getattr(sys, "_is_gil_enabled", lambda: True)()
differences, places = [], {}
lock = threading.Lock()


def walked(node):
    """[(name, file, first line, lasti, line)] of a node, innermost first."""
    frames = []
    while node > 1:
        code = L.harness_code(node)
        frames.append((L.harness_name(code).decode(), L.harness_filename(code).decode(), L.harness_first_line(code),
                       L.harness_lasti(node), L.harness_line(node)))
        node = L.harness_parent(node)
    return frames


def expected(frame):
    frames = []
    while frame:
        code = frame.f_code
        name = code.co_qualname if VERSION >= (3, 11) else code.co_name
        frames.append((name, code.co_filename, code.co_firstlineno, frame.f_lasti, frame.f_lineno or 0))
        frame = frame.f_back
    return frames


def compare(place, frame, node, line):
    """frame called the walker on that line; its own instruction has moved on since."""
    found, wanted = walked(node), expected(frame)
    if found and wanted:
        top = wanted[0]
        wanted[0] = top[:3] + (found[0][3], line)
    with lock:
        places[place] = places.get(place, 0) + 1
        if found != wanted and len(differences) < 20:
            i = next((i for i, (f, w) in enumerate(zip(found, wanted)) if f != w), min(len(found), len(wanted)))
            differences.append([place, node, len(found), len(wanted), i, found[i:i + 2], wanted[i:i + 2]])


def check(place, library=L):
    frame = sys._getframe()
    node = library.harness_walk(); line = frame.f_lineno
    compare(place, frame, node, line)
    return True


# ---- plain calls

def recurse(n, place="recursion"):
    if n:
        return recurse(n - 1, place)
    check(place)


def branch(n, path):
    """Recursion that alternates between call sites: the same frames at the same addresses, other instructions."""
    if not n:
        return check("branches")
    if path & 1:
        return branch(n - 1, path >> 1)
    else:
        return branch(n - 1, path >> 1)


def plain():
    check("plain")
    for depth in (1, 2, 3, 5, 8, 100, 300):
        recurse(depth)
    for path in range(64):
        branch(6, path)
    for depth in (30, 2, 29, 3, 28, 60, 1):
        recurse(depth, "jumps")
    exec("check('exec')", globals())
    eval("check('eval')", globals())
    [check("comprehension") for _ in range(2)]
    {check("set comprehension") for _ in range(2)}
    (lambda: check("lambda"))()
    try:
        1 / 0
    except ZeroDivisionError:
        check("except")
    finally:
        check("finally")
    for i in range(3000):
        if i % 100 == 0:
            check("hot loop")
    check("GIL released", FREE)
    recurse(20, "recursion")
    (check(
        "many lines"
    ))


# ---- objects whose methods the interpreter calls

class Meta(type):
    def __call__(cls, *args):
        check("metaclass")
        return super().__call__(*args)


class Hostile(metaclass=Meta):
    check("class body")

    def __init__(self, quiet=False):
        quiet or check("__init__")

    def __eq__(self, other):
        return check("__eq__")

    def __hash__(self):
        check("__hash__")
        return 1

    def __getattr__(self, name):
        return check("__getattr__")

    @property
    def value(self):
        return check("property")

    def __del__(self):
        check("__del__")

    def __enter__(self):
        check("__enter__")

    def __exit__(self, *_):
        check("__exit__")

    def __iter__(self):
        check("__iter__")
        return iter([1, 2])

    def __lt__(self, other):
        return check("__lt__")

    def __len__(self):
        check("__len__")
        return 1


class Specialised:
    def __init__(self, n):
        self.n = n
        if n % 50 == 0:
            check("specialised __init__")


class Nested:
    """__init__ trampolines in the middle of the chain."""
    def __init__(self, n):
        self.child = Nested(n - 1) if n else check("nested __init__")


def objects():
    a, b = Hostile(), Hostile()
    a == b, a.absent, a.value, a < b, bool(a), {a: 1, b: 2}
    with a:
        check("with")
    list(a), sorted([a, b])
    del a, b
    for n in range(2000):
        Specialised(n)
    for n in range(300):
        Nested(n % 10)
    cycle = Hostile()
    cycle.__dict__["self"] = cycle
    reference = weakref.ref(cycle, lambda _: check("weakref callback"))
    del cycle
    gc.collect()
    del reference


# ---- generators and coroutines

def generator(n):
    check("generator")
    yield n
    if n:
        yield from generator(n - 1)
    try:
        yield
    finally:
        check("generator closed")


async def coroutine(n):
    check("coroutine")
    if n:
        await coroutine(n - 1)
    await asyncio.sleep(0)
    check("coroutine resumed")


async def async_generator():
    for i in range(3):
        check("async generator")
        yield i
        await asyncio.sleep(0)


async def consume():
    async for _ in async_generator():
        check("async for")
    await asyncio.gather(*[coroutine(i) for i in range(5)])
    return [check("async comprehension") async for _ in async_generator()]


def generators():
    list(generator(5))
    started = generator(3)
    next(started)
    recurse(3, "generator waits")
    started.close()
    thrown = generator(1)
    next(thrown)
    try:
        thrown.throw(ValueError)
    except ValueError:
        check("thrown")
    pair = [generator(9), generator(9)]
    for _ in range(9):
        for g in pair:
            next(g)
    any(check("generator expression") and False for _ in range(3))
    asyncio.run(consume())


# ---- calls that come back from C

def callbacks():
    sorted([3, 1, 2], key=lambda x: check("sorted") and x)
    list(map(lambda x: check("map"), [1, 2]))
    list(filter(lambda x: check("filter"), [1, 2]))
    functools.reduce(lambda a, b: check("reduce"), [1, 2, 3])
    functools.partial(check, "partial")()
    re.sub("b", lambda m: check("re.sub") and "c", "abcb")
    functools.lru_cache(None)(lambda: check("lru_cache"))()
    max([1, 2], key=lambda x: check("max") and x)
    json.loads('{"a": [1, {"b": 2}]}', object_hook=lambda o: check("object_hook") and o)
    comparison = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
    array = (ctypes.c_int * 5)(5, 1, 4, 2, 3)
    qsort = ctypes.CDLL(None).qsort
    qsort.restype = None
    qsort(array, 5, ctypes.sizeof(ctypes.c_int), comparison(lambda a, b: (check("qsort"), a[0] - b[0])[1]))
    types.new_class("Made", (), {}, lambda namespace: check("new_class") and None)
    __import__("builtins").__build_class__(lambda: check("__build_class__") and None, "Built")


# ---- code objects that come and go

def churn(count=3000, mark="main"):
    """Functions of different names at reused addresses: each must have its own name."""
    seen, reused = set(), 0
    for i in range(count):
        source = "\n" * (i % 7) + "def f_%d():\n  return walk(), frame().f_lineno" % i
        namespace = {"walk": L.harness_walk, "frame": sys._getframe}
        exec(compile(source, "<churn %s %d>" % (mark, i), "exec"), namespace)
        function = namespace["f_%d" % i]
        reused += id(function.__code__) in seen
        seen.add(id(function.__code__))
        node, line = function()
        found = (walked(node) or [("no stack", node, 0, 0, 0)])[0]
        with lock:
            places["churn"] = places.get("churn", 0) + 1
            if (found[0], found[1], found[4]) != ("f_%d" % i, "<churn %s %d>" % (mark, i), line):
                differences.append(["churn", mark, i, found])
        if FREE_THREADED and i % 100 == 99:
            gc.collect()  # code objects are freed by the collector only
    return reused


def churn_in_threads():
    running = [threading.Thread(target=churn, args=(500, "thread %d" % i)) for i in range(4)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


# ---- tools that look on

def watched():
    sys.setprofile(lambda *_: None)
    recurse(5, "setprofile")
    Specialised(0)
    sys.setprofile(lambda frame, event, arg: check("in a profiler") if event == "call" and
                   frame.f_code.co_name == "recurse" else None)
    recurse(3, "setprofile")
    sys.setprofile(None)

    def trace(frame, event, arg):
        if frame.f_code is recurse.__code__:
            check("in a tracer")
        return trace
    sys.settrace(trace)
    recurse(5, "settrace")
    list(generator(2))
    sys.settrace(None)
    if VERSION >= (3, 12):
        monitoring = sys.monitoring
        monitoring.use_tool_id(3, "hostile")
        monitoring.register_callback(3, monitoring.events.LINE, lambda *_: None)
        monitoring.register_callback(3, monitoring.events.INSTRUCTION, lambda *_: None)
        monitoring.set_events(3, monitoring.events.LINE | monitoring.events.INSTRUCTION)
        recurse(5, "monitoring")
        monitoring.set_events(3, 0)
        monitoring.free_tool_id(3)
    recurse(5, "after the tools")


# ---- threads and depth

def threads():
    def work(seed):
        choose = random.Random(seed)
        for _ in range(100):
            recurse(choose.randrange(40), "threads")
            recurse(choose.randrange(10), "threads")
            check("threads", FREE)
    running = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    for _ in range(200):
        thread = threading.Thread(target=check, args=("short threads",))
        thread.start()
        thread.join()


def deep():
    """Deeper than the shadow's first mapping, up and down again."""
    def allocate_below(n):
        return allocate_below(n - 1) if n else [[i] * 9 for i in range(300)]

    def work():
        L.harness_compare(0)  # what check() itself allocates down there is not worth the time
        for depth in (500, 1100, 5000, 10, 6000, 2000):
            recurse(depth, "deep")
        L.harness_compare(1)
        allocate_below(3000)
    sys.setrecursionlimit(20000)
    threading.stack_size(512 << 20)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    threading.stack_size(0)


def too_deep():
    """Beyond what is told apart: the outermost frames are told, and it is counted."""
    if VERSION < (3, 12) or not hasattr(sys, "setrecursionlimit"):
        return None
    sys.setrecursionlimit(100000)
    L.harness_compare(0)

    def down(n):
        return down(n - 1) if n else (L.harness_walk(), L.harness_truncated())
    node, truncated = down(66000)
    L.harness_compare(1)
    return [len(walked(node)), truncated]


def greenlets():
    try:
        import greenlet
    except ImportError:
        return False

    def work(n):
        for i in range(n):
            recurse(i, "greenlet")
            main.switch()
            recurse_and_allocate(i, choose)
    choose = random.Random(2)
    main = greenlet.getcurrent()
    workers = [greenlet.greenlet(work) for _ in range(4)]
    for _ in range(10):
        for worker in workers:
            worker.switch(10)
            check("between greenlets")
    return True


def forks():
    """A child goes on with the ids it has."""
    if not hasattr(os, "fork"):
        return True
    read, write = os.pipe()
    child = os.fork()
    if not child:
        del differences[:]
        check("child")
        recurse(9, "child")
        os.write(write, b"ok" if not differences else b"no")
        os._exit(0)
    os.waitpid(child, 0)
    answer = os.read(read, 2)
    recurse(9, "after fork")
    return answer == b"ok"


# ---- a walk at every allocation

class Tree:
    def __init__(self, n, choose):
        self.left = Tree(n - 1, choose) if n and choose.random() < .6 else [n] * 9
        self.right = Tree(n - 1, choose) if n and choose.random() < .6 else str(n) * 9

    def sum(self):
        for child in self.left, self.right:
            if isinstance(child, Tree):
                yield from child.sum()
            else:
                yield len(child) + 1.5


def allocate(wanted):
    choose = random.Random(1)
    while L.harness_compared() < wanted:
        tree = Tree(choose.randrange(14), choose)
        sum(tree.sum())
        recurse_and_allocate(choose.randrange(60), choose)
        json.dumps({str(i): [i, {"a": float(i)}] for i in range(20)}, indent=1)
        namespace = {}
        exec("def f(n):\n  return [n] + f(n - 1) if n else []\nf(%d)" % choose.randrange(9), namespace)


def recurse_and_allocate(n, choose):
    a = [n] * 20
    if n and choose.random() < .5:
        b = recurse_and_allocate(n - 1, choose), str(n) * 3
    else:
        b = n and recurse_and_allocate(n - 1, choose)
    c = {n: [a, b]}
    return c


def allocate_in_threads(wanted):
    L.harness_compare(1)
    running = [threading.Thread(target=allocate, args=(wanted,)) for _ in range(3)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def main():
    wanted = int(sys.argv[2])
    if L.harness_verdict(0) != 1 or L.harness_verdict(1) != 1:
        sys.exit(b" / ".join(L.harness_fact(step) for step in (0, 1)).decode())
    if sys.argv[3:] == ["greenlets"]:
        result = {"greenlets": greenlets()}
    else:
        for part in plain, objects, generators, callbacks, watched:
            part()
        result = {"version": sys.version.split()[0], "reused": churn(), "forked": forks()}
        for part in threads, deep, churn_in_threads:
            part()
        result["too_deep"] = too_deep()
        sys.setrecursionlimit(1000)
        allocate(wanted)
        allocate_in_threads(wanted + wanted // 5)
        plain()
    result.update(
        gil=not FREE_THREADED,
        verdicts=[L.harness_verdict(0), L.harness_verdict(1)],
        facts=[L.harness_fact(0).decode(), L.harness_fact(1).decode()],
        places=places, differences=differences, compared=L.harness_compared(), differing=L.harness_differing(),
        errno_changed=L.harness_errno_changed(), lost=L.harness_lost(), nodes=L.harness_nodes())
    print(json.dumps(result))


if __name__ == "__main__":
    main()
