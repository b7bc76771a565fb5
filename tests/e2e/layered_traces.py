"""Traces with machine code beside Python, made by hand, and a second opinion on which of their frames --frames shows."""
import random

from memreplay_traces import CALLOC, MALLOC, Trace

MIB = 1 << 20
LIBC, PYTHON = "/gone/lib/libc.so.6", "/gone/bin/python3.11"  # nowhere: nobody finds names in them
UMATH = "/v/lib/python3.11/site-packages/numpy/core/_umath.cpython-311-x86_64-linux-gnu.so"
JOB = "/home/ana/work/job.py"
CHOICES = ("leaf", "python", "all")


def shown(frames, choice):
    """What a stack reads as. frames, outermost first: (is it Python?, what it reads as)."""
    if choice == "all":
        return tuple(text for _, text in frames)
    last = max((at for at, (python, _) in enumerate(frames) if python), default=-1)
    if choice == "python":
        return tuple(text for python, text in frames if python)
    return tuple(text for at, (python, text) in enumerate(frames) if python or at > last)


def a_mixture(seed):
    """A random trace, and by choice what it holds: {(stack, allocator, tid): [bytes, allocations]}."""
    choose = random.Random(seed)
    t = Trace(flags=7)
    process = t.process()
    modules = [(t.module(process, path, build_id, 0x7F0000000000 + at * MIB), path) for at, (path, build_id) in
               enumerate([(LIBC, "aa"), ("/gone/opt/libc.so.6", "aa"), (PYTHON, ""), (UMATH, "cc")])]
    functions = [(t.function(name, JOB), name) for name in ("<module>", "load", "fit")]
    nodes = {0: []}  # id: frames, outermost first
    for _ in range(choose.randrange(5, 80)):
        parent = choose.choice(list(nodes)[-8:])
        if choose.random() < 0.5:
            function, name = choose.choice(functions)
            line = choose.randrange(1, 4)
            nodes[t.stack(parent, function, line)] = nodes[parent] + [(True, (name, JOB, line, "python"))]
        else:
            (function, path), offset = choose.choice(modules), choose.choice((0, 0x10, 0x1F2A, 1 << 33))
            base = "_umath.so" if path == UMATH else path.rpartition("/")[2]
            nodes[t.stack(parent, function, offset)] = nodes[parent] + [(False, (f"{base}+0x{offset:x}", path, 0, "native"))]
    origin = choose.choice(list(nodes))
    threads = [(t.new_thread(process, tid=100), 100, 0), (t.new_thread(process, tid=101, name="pool", origin=origin), 101, origin)]
    held = {choice: {} for choice in CHOICES}
    for _ in range(120):
        thread, tid, started = choose.choice(threads)
        # a recorder puts machine code of such a thread below its origin
        may = [node for node, frames in nodes.items() if not started or not frames or any(python for python, _ in frames)]
        stack, size, allocator = choose.choice(may), choose.randrange(1, 5000), choose.choice((MALLOC, CALLOC))
        t.on(thread)
        index = t.alloc(stack, size, allocator)
        if choose.random() < 0.3:
            t.free(index)
            continue
        for choice in CHOICES:
            reads = shown(nodes[stack], choice) or shown(nodes[started], choice)
            sums = held[choice].setdefault((reads, "calloc" if allocator == CALLOC else "malloc", tid), [0, 0])
            sums[0] += size
            sums[1] += 1
    t.mark("all")
    return t, held


def a_job(more=0):
    t = Trace(flags=7)
    process = t.process()
    libc = t.module(process, LIBC, "cc02", 0x7F0000000000)
    python = t.module(process, PYTHON, "", 0x555500000000, 0x400000)
    umath = t.module(process, UMATH, "dd03", 0x7F1000000000)
    again = t.module(process, LIBC, "cc02")
    main, load = t.function("<module>", JOB), t.function("load", JOB, 8)
    thread = t.new_thread(process)
    at_main = t.stack(t.stack(t.stack(0, libc, 0x2724A), python, 0x1234), main, 30)
    in_load = t.stack(t.stack(at_main, python, 0x9999), load, 12)
    other_way = t.stack(t.stack(at_main, python, 0x7777), load, 12)
    t.on(thread)
    t.alloc(t.stack(t.stack(in_load, umath, 0x1F2A), libc, 0x88), 8 * MIB + more)
    t.alloc(t.stack(t.stack(other_way, umath, 0x1F2A), again, 0x88), 4 * MIB)
    t.alloc(at_main, MIB)
    t.time(10**9)
    return t


def a_program():
    """No Python anywhere: an executable in a folder of its own, and libc."""
    t = Trace(command=("./app",), flags=2)
    process = t.process(python="", argv=("./app",), executable="/home/ana/build/app")
    app, libc = t.module(process, "/home/ana/build/app", "aa", 0x555500000000), t.module(process, LIBC, "bb", 0x7F0000000000)
    at = t.stack(0, libc, 0x27)
    for offset in range(6):
        at = t.stack(at, app, 0x1000 + offset)
    t.on(t.new_thread(process))
    t.alloc(t.stack(at, libc, 0x99), 5 * MIB)
    t.time(10**9)
    return t
