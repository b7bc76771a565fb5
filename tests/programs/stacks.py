"""Run by every interpreter: at each point one block of a size of its own, allocated from a place whose stack is hard to tell.

bytes(Point("name")) asks Point for a size, and Point notes the stack as the interpreter itself has it at that very instruction;
the block is then allocated under exactly these frames. A comment "at: name" marks the line where the block must be told, as a
second truth. Everything stays alive until the end; what the interpreter said is written to the file named by the argument."""
import asyncio
import atexit
import cProfile
import contextlib
import ctypes
import functools
import gc
import json
import operator
import re
import signal
import sys
import threading
import weakref

truth, kept, markers = {}, [], {}
OVERHEAD = sys.getsizeof(b"")


def chain_from(frame):
    chain = []
    while frame:
        code = frame.f_code
        chain.append([getattr(code, "co_qualname", code.co_name), code.co_filename, frame.f_lineno])
        frame = frame.f_back
    return chain[::-1]


class Point:
    def __init__(self, name):
        self.name = name

    def __index__(self):
        assert self.name not in truth, self.name
        size = 1000 + 16 * len(truth)
        truth[self.name] = {"bytes": size + OVERHEAD, "chain": chain_from(sys._getframe(1))}
        return size


@atexit.register
def tell():
    with open(sys.argv[1], "w") as file:
        json.dump(truth, file)
    kept.append(bytes(50_000_000))  # the peak is here


kept.append(bytes(Point("module")))  # at: module


# ---- functions ----

def plain():
    kept.append(bytes(Point("function")))  # at: function


def outer():
    def inner():
        kept.append(bytes(Point("closure")))  # at: closure
    inner()


in_lambda = lambda: kept.append(bytes(Point("lambda")))  # noqa: E731 at: lambda


def decorated(function):
    @functools.wraps(function)
    def wrapper(*args):
        kept.append(bytes(Point("decorator_wrapper")))  # at: decorator_wrapper
        return function(*args)
    kept.append(bytes(Point("decorator_runs")))  # at: decorator_runs
    return wrapper


@decorated
def in_decorated():
    kept.append(bytes(Point("decorated_function")))  # at: decorated_function


def default(block=kept.append(bytes(Point("default_argument")))):  # at: default_argument
    pass


@functools.lru_cache(maxsize=None)
def cached(block):
    kept.append(bytes(Point("lru_cache")))  # at: lru_cache


def many_lines():
    kept.append(
        bytes(  # at: multi_line_call
            Point(
                "multi_line_call"
            )
        )
    )
    kept.extend([
        1, 2,
        bytes(Point("multi_line_list")),  # at: multi_line_list
        3,
    ])
    (kept
     .append(
         bytes(Point("multi_line_method_chain"))))  # at: multi_line_method_chain
    x = (1 +
         len(bytes(Point("multi_line_operator_is_freed"))) +  # this one is gone at once
         2)
    kept.append(x); kept.append(bytes(Point("second_on_its_line")))  # noqa: E702 at: second_on_its_line
    if (x and
            kept.append(bytes(Point("multi_line_condition"))) is None and  # at: multi_line_condition
            x):
        pass


plain()
outer()
in_lambda()
in_decorated()
cached(1)
functools.partial(lambda: kept.append(bytes(Point("partial"))))()  # at: partial
many_lines()


# ---- control flow ----

def control():
    try:
        try:
            raise ValueError
        except ValueError:
            kept.append(bytes(Point("except")))  # at: except
            raise
        finally:
            kept.append(bytes(Point("finally")))  # at: finally
    except ValueError:
        pass
    for i in range(3):
        if i == 1:
            kept.append(bytes(Point("loop_body")))  # at: loop_body
            continue
    else:
        kept.append(bytes(Point("loop_else")))  # at: loop_else
    while True:
        kept.append(bytes(Point("while_body")))  # at: while_body
        break


control()


# ---- classes ----

class Meta(type):
    def __new__(meta, name, bases, scope):
        kept.append(bytes(Point("metaclass_new")))  # at: metaclass_new
        return super().__new__(meta, name, bases, scope)


class Descriptor:
    def __set_name__(self, owner, name):
        kept.append(bytes(Point("set_name")))  # at: set_name

    def __get__(self, instance, owner):
        kept.append(bytes(Point("descriptor_get")))  # at: descriptor_get


class Whole(metaclass=Meta):
    kept.append(bytes(Point("class_body")))  # at: class_body
    described = Descriptor()

    class Nested:
        kept.append(bytes(Point("nested_class_body")))  # at: nested_class_body

        def method(self):
            kept.append(bytes(Point("nested_class_method")))  # at: nested_class_method

    def __init__(self):
        kept.append(bytes(Point("init")))  # at: init

    def method(self):
        kept.append(bytes(Point("method")))  # at: method

    @staticmethod
    def static():
        kept.append(bytes(Point("staticmethod")))  # at: staticmethod

    @classmethod
    def of_class(cls):
        kept.append(bytes(Point("classmethod")))  # at: classmethod

    @property
    def computed(self):
        kept.append(bytes(Point("property")))  # at: property

    def __getattr__(self, name):
        kept.append(bytes(Point("getattr")))  # at: getattr

    def __add__(self, other):
        kept.append(bytes(Point("operator_add")))  # at: operator_add
        return self

    def __eq__(self, other):
        kept.append(bytes(Point("eq_from_c")))  # at: eq_from_c
        return True

    def __call__(self):
        kept.append(bytes(Point("call")))  # at: call

    def __enter__(self):
        kept.append(bytes(Point("enter")))  # at: enter

    def __exit__(self, *exc):
        kept.append(bytes(Point("exit")))  # at: exit

    def __iter__(self):
        kept.append(bytes(Point("iter")))  # at: iter
        return iter(())

    def __format__(self, spec):
        kept.append(bytes(Point("format")))  # at: format
        return ""

    def __hash__(self):
        kept.append(bytes(Point("hash")))  # at: hash
        return 1

    def __len__(self):
        kept.append(bytes(Point("len")))  # at: len
        return 1


class Parent:
    def __init_subclass__(cls):
        kept.append(bytes(Point("init_subclass")))  # at: init_subclass


class Child(Parent):
    pass


whole = Whole()
whole.method()
whole.static()
Whole.of_class()
whole.computed
whole.described
whole.missing
whole + whole
[whole].index(object())
whole()
with whole:
    pass
list(iter(whole))
f"{whole}"
{whole: 1}
len(whole)
Whole.Nested().method()


class Specialised:
    """An __init__ that 3.12+ specialises into its caller."""

    def __init__(self, block):
        self.block = block if block is None else bytes(Point(block))  # at: specialised_init


for turn in range(300):
    Specialised(None)
for block in [None] * 100 + ["specialised_init"]:
    kept.append(Specialised(block))


# ---- comprehensions and generators ----

def comprehensions():
    kept.append([bytes(Point("list_comprehension")) for _ in "1"])  # at: list_comprehension
    kept.append({i: bytes(Point("dict_comprehension")) for i in "1"})  # at: dict_comprehension
    kept.append({bytes(Point("set_comprehension")) for _ in "1"})  # at: set_comprehension
    kept.append(list(bytes(Point("generator_expression")) for _ in "1"))  # at: generator_expression
    kept.append([
        [bytes(Point("nested_comprehension"))  # at: nested_comprehension
         for _ in "1"]
        for _ in "1"
    ])


def generator():
    kept.append(bytes(Point("generator_next")))  # at: generator_next
    try:
        sent = yield 1
        kept.append(bytes(Point("generator_send")))  # at: generator_send
        yield sent
    except KeyError:
        kept.append(bytes(Point("generator_throw")))  # at: generator_throw
        yield 2
    finally:
        kept.append(bytes(Point("generator_close")))  # at: generator_close


def delegating():
    yield from generator_inner()


def generator_inner():
    yield 1
    kept.append(bytes(Point("yield_from")))  # at: yield_from


def elsewhere(resumed):
    next(resumed, None)


def infinite():
    while True:
        kept.append(bytes(Point("generator_abandoned_before")))  # at: generator_abandoned_before
        try:
            yield
        finally:
            kept.append(bytes(Point("generator_collected")))  # at: generator_collected


comprehensions()
running = generator()
next(running)
running.send(1)
running.throw(KeyError())
running.close()
running = delegating()
next(running)
elsewhere(running)
running = infinite()
next(running)
del running
gc.collect()


# ---- coroutines ----

class Awaited:
    def __await__(self):
        kept.append(bytes(Point("await_protocol")))  # at: await_protocol
        yield


async def innermost():
    kept.append(bytes(Point("coroutine")))  # at: coroutine
    await Awaited()
    kept.append(bytes(Point("coroutine_resumed")))  # at: coroutine_resumed


async def between():
    await innermost()


async def async_generator():
    for i in range(2):
        if i:
            kept.append(bytes(Point("async_generator")))  # at: async_generator
        yield i
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def async_context():
    kept.append(bytes(Point("async_context")))  # at: async_context
    yield


async def in_task(name):
    await asyncio.sleep(0)
    kept.append(bytes(Point(name)))  # at: asyncio_task


async def in_other_task(name):
    await asyncio.sleep(0)
    kept.append(bytes(Point(name)))  # at: asyncio_gather


async def asynchronous():
    async with async_context():
        pass
    kept.append([bytes(Point("async_comprehension")) async for i in async_generator() if not i])  # at: async_comprehension
    task = asyncio.ensure_future(in_task("asyncio_task"))
    await asyncio.gather(task, in_other_task("asyncio_gather"))
    asyncio.get_running_loop().call_soon(lambda: kept.append(bytes(Point("asyncio_callback"))))  # at: asyncio_callback
    await asyncio.sleep(0)
    await asyncio.sleep(0)


driven = between()
driven.send(None)
with contextlib.suppress(StopIteration):
    driven.send(None)
asyncio.run(asynchronous())


# ---- called from C ----

def key(value):
    kept.append(bytes(Point("sorted_key")))  # at: sorted_key
    return value


class Dying:
    def __init__(self, name):
        self.name = name

    def __del__(self):
        kept.append(bytes(Point(self.name)))  # at: del at: del_by_collector


def collected():
    one, other = Dying("del_by_collector"), []
    one.itself = other
    other.append(one)


def deep_in_c(depth):
    if not depth:
        kept.append(bytes(Point("deep_c_recursion")))  # at: deep_c_recursion
        return 0
    return sorted([depth], key=lambda value: deep_in_c(depth - 1))[0]


sorted([1], key=key)
list(map(lambda value: kept.append(bytes(Point("map"))), [1]))  # at: map
functools.reduce(lambda a, b: kept.append(bytes(Point("reduce"))), [1, 2])  # at: reduce
re.sub("a", lambda match: kept.append(bytes(Point("re_sub"))) or "", "a")  # at: re_sub
operator.methodcaller("__call__")(lambda: kept.append(bytes(Point("methodcaller"))))  # at: methodcaller
json.dumps({"a": object()}, default=lambda value: kept.append(bytes(Point("json_default"))))  # at: json_default
ctypes.CFUNCTYPE(None)(lambda: kept.append(bytes(Point("ctypes_callback"))))()  # at: ctypes_callback
Dying("del")
collected()
gc.collect()
referred = Parent()
watching = weakref.ref(referred, lambda gone: kept.append(bytes(Point("weakref_callback"))))  # at: weakref_callback
del referred
deep_in_c(25)
signal.signal(signal.SIGUSR1, lambda number, frame: kept.append(bytes(Point("signal_handler"))))  # at: signal_handler
signal.raise_signal(signal.SIGUSR1)
for i in range(3):
    pass


# ---- recursion ----

def down(depth, name):
    if depth:
        down(depth - 1, name)
    else:
        kept.append(bytes(Point(name)))  # at: recursion_3000


def ping(depth):
    if depth % 3:
        pong(depth - 1) if depth else None
    else:
        pong(depth - 1) if depth else kept.append(bytes(Point("alternating_recursion")))  # at: alternating_recursion


def pong(depth):
    ping(depth)


sys.setrecursionlimit(10000)
down(3000, "recursion_3000")
ping(99)


# ---- profile and trace functions ----

def observed(name):
    kept.append(bytes(Point(name)))  # at: under_setprofile at: after_setprofile at: under_settrace at: after_settrace at: under_cprofile


def watch(frame, event, argument):
    return watch


def observe_all():
    sys.setprofile(watch)
    observed("under_setprofile")
    sys.setprofile(None)
    observed("after_setprofile")
    before = sys.gettrace()
    sys.settrace(watch)
    observed("under_settrace")
    sys.settrace(before)
    observed("after_settrace")
    cProfile.Profile().runcall(observed, "under_cprofile")


observe_all()


# ---- code made at run time ----

def made():
    exec(compile("kept.append(bytes(Point('exec')))", "<made up>", "exec"), globals())
    kept.append(eval("\n\n bytes(Point('eval'))".lstrip()))
    for name, blank in [("line_300", 299), ("line_40000", 39999), ("line_70000", 69999)]:
        exec(compile("\n" * blank + f"kept.append(bytes(Point('{name}')))", "<far down>", "exec"), globals())
    source = "def back():\n    return (\n" + "\n" * 400 + "        [kept.append(bytes(Point('far_below_its_def'))),\n  1])\nback()"
    exec(compile(source, "<far below>", "exec"), globals())
    exec(compile("class Größe:\n    def 高さ(self):\n        kept.append(bytes(Point('not_ascii')))\nGröße().高さ()", "<naïve 文件>", "exec"), globals())
    name = "n" * 3000
    exec(compile(f"def {name}():\n    kept.append(bytes(Point('long_name')))\n{name}()", "<long>", "exec"), globals())


def churn():
    """Code objects that die and whose address is used again."""
    for i in range(3000):
        kept_now = i % 100 == 99
        body = f"kept.append(bytes(Point('reused_code_{i}')))" if kept_now else "bytes(700)"
        scope = dict(globals())
        exec(compile(f"def made_{i}():\n" + "\n" * (i % 7) + f"    {body}\nmade_{i}()", f"<made {i}>", "exec"), scope)


def replaced():
    """A function whose code is exchanged while it lives."""
    def first():
        kept.append(bytes(Point("code_exchanged")))

    def second():
        return 1
    second.__code__ = first.__code__
    second()


made()
churn()
replaced()


# ---- threads ----

def in_thread(name):
    kept.append(bytes(Point(name)))  # at: thread at: timer


for thread in [threading.Thread(target=in_thread, args=["thread"]), threading.Timer(0, in_thread, ["timer"])]:
    thread.start()
    thread.join()
