"""Beside others that look into the interpreter or take the allocator's place: tracers, profilers, debuggers, other preloads.

Bare and recorded the program prints and returns the same, and what its functions hold is told as ever."""
import os
import re
import textwrap

import pytest

from binaries import installed
from conftest import BUILD, Recording, run
from trees import BLANK, blank, held

FAULT_KIND = "Ends"
MEMREC = str(BUILD / "memrec")
MB = 1_000_000
HOLD = "def hold(): return bytes(20_000_000)\nheld = hold()\n"


@pytest.fixture
def both(tmp_path):
    """both(source, interpreter, before=[words between interpreter and script], env=) -> (bare, recording)."""
    def run_both(source, interpreter, before=(), after=(), env=None):
        script = tmp_path / "job.py"
        script.write_text(HOLD + textwrap.dedent(source))
        argv = [interpreter.path, *before, script, *after]
        bare = run(argv, env=env, cwd=tmp_path)
        recorded = run([MEMREC, "run", "-q", "-f", "-o", tmp_path / "t.lz4", "--", *argv], env=env, cwd=tmp_path)
        return bare, Recording(tmp_path / "t.lz4", recorded)
    return run_both


def nameless(text):
    """Without addresses, which differ from run to run."""
    return re.sub(r"0x[0-9a-f]{8,}", "0x…", text)


def assert_same(bare, recording, interpreter):
    assert (recording.finished.status, recording.finished.out, nameless(recording.finished.err)) == (bare.status, bare.out, nameless(bare.err))
    peak = recording.peak()
    assert peak["trace"]["complete"] and peak["trace"]["damaged_blocks"] == 0 and peak["trace"]["lost_events"] == 0
    assert 0 <= held(peak, "hold") - 20 * MB - blank(interpreter) < 1000  # a tracer may keep notes of its own under our functions
    return peak


UNHARMED = dict(program="what it is without us, word by word", trace="everything, with its stacks")

WATCHERS = {
    "settrace": """
        import sys, threading
        seen = []
        def watch(frame, event, arg):
            seen.append((event, frame.f_code.co_name))
            return watch
        threading.settrace(watch)
        sys.settrace(watch)
        def work(n): return [str(i) for i in range(n)]
        thread = threading.Thread(target=work, args=[50])
        work(50); thread.start(); thread.join()
        sys.settrace(None)
        print([each for each in seen if each[1] == "work"])
    """,
    "setprofile": """
        import sys
        seen = []
        sys.setprofile(lambda frame, event, arg: seen.append((event, frame.f_code.co_name)))
        def work(n): return [str(i) for i in range(n)]
        work(50)
        sys.setprofile(None)
        print(seen)
    """,
    "cProfile": """
        import cProfile, pstats
        def work(n): return sum(len(str(i)) for i in range(n))
        profile = cProfile.Profile()
        print(profile.runcall(work, 1000))
        print(sorted((key[2], value[:2]) for key, value in pstats.Stats(profile).stats.items()))
    """,
    "faulthandler": """
        import faulthandler, sys
        faulthandler.enable()
        def work(): faulthandler.dump_traceback()
        work()
        faulthandler.dump_traceback_later(1000)
        faulthandler.cancel_dump_traceback_later()
    """,
    "warnings-and-hooks": """
        import sys, warnings
        sys.excepthook = lambda *told: print("hook", told[0].__name__)
        sys.unraisablehook = lambda told: print("unraisable", told.exc_type.__name__)
        warnings.warn("careful")
        class Bad:
            def __del__(self): 1 / 0
        Bad()
        {}["x"]
    """,
    "audit-hook": """
        import sys
        seen = []
        sys.addaudithook(lambda event, args: seen.append(event) if event.startswith("test") else None)
        sys.audit("test.one"); exec("1 + 1")
        print(seen)
    """,
    "gc-and-weakrefs-at-exit": """
        import atexit, gc, weakref
        class Node: pass
        a, b = Node(), Node()
        a.other, b.other = b, a
        weakref.finalize(a, print, "finalized")
        atexit.register(lambda: print("at exit", gc.collect() >= 0))
    """,
}


@pytest.mark.release_only
@pytest.mark.fault("tracers, profilers and hooks of the interpreter are in use", **UNHARMED)
@pytest.mark.parametrize("what", WATCHERS)
def test_watcher__sees_what_it_would_without_us(both, python, what):
    bare, recording = both(WATCHERS[what], python)
    assert_same(bare, recording, python)


@pytest.mark.release_only
@pytest.mark.fault("tracers and profilers of the interpreter are in use", **UNHARMED)
def test_watchers__see_what_they_would_on_every_interpreter(both, interpreter):
    bare, recording = both("".join(map(textwrap.dedent, (WATCHERS["settrace"], WATCHERS["cProfile"], WATCHERS["faulthandler"]))), interpreter)
    assert_same(bare, recording, interpreter)


@pytest.mark.release_only
@pytest.mark.fault("faulthandler tells of a crash", **UNHARMED)
@pytest.mark.parametrize("crash", ["faulthandler._sigsegv()", "faulthandler._sigabrt()", "import os; os.abort()", "import ctypes; ctypes.string_at(16)"])
def test_faulthandler__tells_of_a_crash_as_without_us(both, python, crash):
    bare, recording = both(f"import faulthandler\nfaulthandler.enable()\ndef crash():\n    {crash}\ncrash()\n", python)
    assert recording.finished.status == 128 - bare.status and nameless(recording.finished.err) == nameless(bare.err) and "in crash" in bare.err
    assert held(recording.peak(), "hold") == 20 * MB + BLANK


def needs(python, module):
    if run([python.path, "-c", f"import {module}"]).status:
        pytest.skip(f"no {module} here (tests/requirements.txt)")


WORK = """
    def work(n):
        if n > 5:
            return [work(i) for i in range(3)]
        return n
    print(work(10))
"""


@pytest.mark.release_only
@pytest.mark.fault("coverage.py measures the program", **UNHARMED)
@pytest.mark.parametrize("core", ["ctrace", "pytrace"])
def test_coverage__measures_the_same_lines(both, python, tmp_path, core):
    needs(python, "coverage")
    env = {"COVERAGE_CORE": core}
    told = []
    script, data = tmp_path / "job.py", tmp_path / ".coverage"
    bare, recording = both(WORK, python, before=["-m", "coverage", "run", "--branch"], env=env)
    assert_same(bare, recording, python)
    recorded = run([python.path, "-m", "coverage", "json", "-q", "-o", "-"], cwd=tmp_path).out
    data.unlink()
    run([python.path, "-m", "coverage", "run", "--branch", script], cwd=tmp_path, env=env)
    told = run([python.path, "-m", "coverage", "json", "-q", "-o", "-"], cwd=tmp_path).out
    assert '"executed_lines"' in told and told.split('"files"')[1] == recorded.split('"files"')[1]


# A debugger's side of its protocol: stops in work() at a breakpoint, looks around, goes on. CLIENT PORT SCRIPT LINE
DEBUGGER = """
import json, socket, sys
stream = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=60).makefile("rwb")
def send(command, **arguments):
    send.number = getattr(send, "number", 0) + 1
    text = json.dumps({"seq": send.number, "type": "request", "command": command, "arguments": arguments}).encode()
    stream.write(b"Content-Length: %d\\r\\n\\r\\n" % len(text) + text)
    stream.flush()
def until(**wanted):
    while True:
        length = int(stream.readline().split()[1])
        while stream.readline().strip():
            pass
        told = json.loads(stream.read(length))
        if wanted.items() <= told.items():
            return told.get("body")
def ask(command, **arguments):
    send(command, **arguments)
    return until(type="response", command=command)
ask("initialize", adapterID="test", pathFormat="path", linesStartAt1=True, columnsStartAt1=True)
send("attach", justMyCode=False)
until(type="event", event="initialized")
ask("setBreakpoints", source={"path": sys.argv[2]}, breakpoints=[{"line": int(sys.argv[3])}])
ask("configurationDone")
stopped = until(type="event", event="stopped")
frames = ask("stackTrace", threadId=stopped["threadId"])["stackFrames"]
value = ask("evaluate", expression="total", frameId=frames[0]["id"], context="watch")["result"]
print(stopped["reason"], [(each["name"], each["line"]) for each in frames[:2]], value)
ask("continue", threadId=stopped["threadId"])
ask("disconnect", terminateDebuggee=False)
"""


@pytest.mark.release_only
@pytest.mark.fault("debugpy debugs the program", **UNHARMED)
def test_debugpy__stops_at_a_breakpoint_and_goes_on(both, python, tmp_path):
    needs(python, "debugpy")
    (tmp_path / "debugger.py").write_text(DEBUGGER)
    source = """
        import debugpy, subprocess, sys
        debugpy.configure(subProcess=False)
        host, port = debugpy.listen(("127.0.0.1", 0))
        debugger = subprocess.Popen([sys.executable, "-I", "debugger.py", str(port), __file__, "11"], stdout=subprocess.PIPE, text=True)
        debugpy.wait_for_client()
        def work(n):
            total = sum(len(str(i)) for i in range(n))
            return [total, bytes(n)]  # here
        kept = work(1000)
        print(len(kept), debugger.communicate()[0])
    """
    patient = {"PYDEVD_WARN_EVALUATION_TIMEOUT": "600", "PYDEVD_WARN_SLOW_RESOLVE_TIMEOUT": "600"}
    bare, recording = both(source, python, before=["-Xfrozen_modules=off"], env=patient)
    assert "2 breakpoint [('work', 11), ('<module>', 12)] 2890\n" in bare.out, bare
    assert_same(bare, recording, python)


@pytest.mark.release_only
def test_debugger__steps_through_the_program(tmp_path, python):
    """pdb, driven through its prompt."""
    script = tmp_path / "job.py"
    script.write_text(HOLD + "x = 1\nx += 1\nprint('x is', x)\n")
    argv = [python.path, "-m", "pdb", script]
    commands = "b 4\nc\np x\nn\np x\nc\nq\n"
    bare = run(argv, stdin=commands.encode())
    recorded = run([MEMREC, "run", "-q", "-o", tmp_path / "t.lz4", "--", *argv], stdin=commands.encode())
    assert recorded == bare and "x is 2" in bare.out
    assert 0 <= held(Recording(tmp_path / "t.lz4", recorded).peak(), "hold") - 20 * MB - BLANK < 1000


# ---- other preloads ----

ALLOCATORS = {"jemalloc": "libjemalloc.so.2", "tcmalloc": "libtcmalloc_minimal.so.4", "mimalloc": "libmimalloc.so.2"}

NATIVE = """
    import ctypes
    c = ctypes.CDLL(None)
    c.malloc.restype = c.realloc.restype = c.calloc.restype = c.aligned_alloc.restype = ctypes.c_void_p
    c.realloc.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    c.free.argtypes = [ctypes.c_void_p]
    def native():
        kept = [c.malloc(3_000_001), c.realloc(c.malloc(10), 5_000_001), c.calloc(1, 7_000_001), c.aligned_alloc(64, 1_024_000)]
        for block, size in zip(kept, (3_000_001, 5_000_001, 7_000_001, 1_024_000)):
            ctypes.memset(block, 1, size)
        last = c.malloc(90_000_000)
        ctypes.memset(last, 1, 90_000_000)
        return last, *kept
    kept = native()
    print(all(kept), open("/proc/self/maps").read().count("%s") > 0)
    import threading
    threads = [threading.Thread(target=lambda: [bytes(1000 + i) for i in range(2000)]) for _ in range(4)]
    for each in threads: each.start()
    for each in threads: each.join()
"""


@pytest.mark.release_only
@pytest.mark.fault("another allocator is preloaded", program="runs on that allocator, as without us", trace="every call with the sizes asked for; nothing twice")
@pytest.mark.parametrize("name", ALLOCATORS)
@pytest.mark.parametrize("malloc", ["pymalloc", "malloc"])
def test_allocator__that_is_preloaded_stays_in_use_and_is_recorded(both, python, name, malloc):
    path = installed(ALLOCATORS[name])
    bare, recording = both(NATIVE % ALLOCATORS[name].split(".")[0], python, env={"LD_PRELOAD": path, "PYTHONMALLOC": malloc})
    peak = assert_same(bare, recording, python)
    assert bare.out == "True True\n"
    blocks = [stack["bytes"] for stack in peak["stacks"] if any(frame["function"] == "native" for frame in stack["frames"])]
    assert sorted(each for each in blocks if each > 500_000) == [1_024_000, 3_000_001, 5_000_001, 7_000_001, 90_000_000]
    totals = recording.summary()["totals"]
    assert [totals[each] for each in ("lost_frees", "replaced", "impossible")] == [0, 0, 0]
    assert peak["peak"]["bytes"] < 140 * MB  # 126 are held; what the allocator maps for itself is not counted beside the blocks in it


@pytest.mark.fault("a sanitizer's runtime is preloaded", program="is not started: a sentence says why", trace="none is made")
@pytest.mark.parametrize("how", ["%s", "/somewhere/libelse.so:%s", "/somewhere/libelse.so %s"])
def test_sanitizer__that_is_preloaded_is_refused_with_a_reason(tmp_path, programs, how):
    path = installed("libasan.so*")
    env = {"LD_PRELOAD": how % path, "ASAN_OPTIONS": "detect_leaks=0:verify_asan_link_order=0"}
    done = run([MEMREC, "run", "-o", tmp_path / "t.lz4", "--", "/bin/echo", "started"], env=env)
    told = [line for line in done.err.splitlines() if not line.startswith("ERROR: ld.so")]
    assert (done.status, done.out) == (125, "") and len(told) == 1 and "sanitizer" in told[0] and "libasan" in told[0]
    assert not (tmp_path / "t.lz4").exists()


@pytest.mark.fault("a program preloads a sanitizer's runtime into its child", program="the child starts, without us", trace="everything of the others")
def test_sanitizer__preloaded_into_a_child_starts_without_us(record, python):
    path = installed("libasan.so*")
    recording = record(HOLD + textwrap.dedent(f"""
        import os, subprocess
        env = dict(os.environ, LD_PRELOAD=os.environ.get("LD_PRELOAD", "") + ":{path}", ASAN_OPTIONS="detect_leaks=0")
        done = subprocess.run([{python.path!r}, "-c", "print('child')"], env=env, capture_output=True, text=True)
        print(done.returncode, done.stdout, done.stderr)
    """))
    assert recording.finished.out == "0 child\n \n"
    assert held(recording.peak(), "hold") == 20 * MB + BLANK


# ---- forks without end ----

BOMB = """
    import os, resource, sys
    def each(): return bytes(100_000)
    def bomb(depth):
        # every process forks twice, down to a depth: 2 ** 6 - 1 children in all
        held = each()
        children = []
        for _ in range(2 if depth else 0):
            try:
                pid = os.fork()
            except OSError:
                os._exit(3)
            if pid == 0:
                bomb(depth - 1)
                os._exit(0)
            children.append(pid)
        total = [os.waitpid(pid, 0)[1] for pid in children]
        if any(total):
            os._exit(4)
    bomb(5)
    print("bombed")
"""


@pytest.mark.fault("processes that fork and fork", program="what it is without us", trace="every process that there was room for")
def test_fork_bomb__up_to_a_limit(both, python):
    bare, recording = both(BOMB, python)
    peak = assert_same(bare, recording, python)
    assert bare.out == "bombed\n"
    assert len(peak["processes"]) == 63
    assert held(peak, "each") >= 100_000


NO_MORE = """
    import os, resource, time
    here, there = os.pipe()
    resource.setrlimit(resource.RLIMIT_NPROC, (64, 64))
    os.setuid(65432)
    children, refused = [], 0
    for _ in range(200):
        try:
            pid = os.fork()
        except BlockingIOError:
            refused += 1
            continue
        if pid == 0:
            kept = bytes(10_000)
            os.write(there, b".")
            time.sleep(60)
        children.append(pid)
    told = b""
    while len(told) < len(children):
        told += os.read(here, 100)
    for pid in children:
        os.kill(pid, 9)
    print(len(children), refused, {os.waitpid(pid, 0)[1] for pid in children})
"""


@pytest.mark.fault("fork fails: RLIMIT_NPROC is reached", program="sees the failures that it would see", trace="every process that there was")
def test_fork_bomb__against_the_limit_on_processes(both, python):
    if os.geteuid():
        pytest.skip("needs root, to become a user with no other process")
    bare, recording = both(NO_MORE, python)
    assert_same(bare, recording, python)
    assert bare.out == "63 137 {9}\n"
    assert len(recording.summary()["processes"]) == 64


# ---- ends ----

ENDS = {
    "daemon-threads": ("""
        import threading, time
        def busy():
            while True:
                [bytes(1000 + i) for i in range(100)]
        for _ in range(4): threading.Thread(target=busy, daemon=True).start()
        time.sleep(0.1)
        print("over")
    """, 0),
    "os._exit-with-threads": ("""
        import os, threading, time
        def busy():
            while True:
                [bytes(1000 + i) for i in range(100)]
        for _ in range(4): threading.Thread(target=busy).start()
        time.sleep(0.1)
        os._exit(6)
    """, 6),
    "uncaught-with-context": ("""
        try:
            {}["x"]
        except KeyError as told:
            raise ValueError("second") from told
    """, 1),
    "exception-group-and-notes": ("""
        error = ValueError("told")
        if hasattr(error, "add_note"): error.add_note("a note")
        raise error
    """, 1),
    "recursion": ("""
        def deep(): deep()
        deep()
    """, 1),
    "keyboard-interrupt": ("""
        import os, signal
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000000): pass
    """, -2),
    "exec-over-itself": ("""
        import os, sys
        if len(sys.argv) < 5:
            os.execv(sys.executable, [sys.executable, __file__, *sys.argv[1:], "again"])
        print(len(sys.argv))
        sys.exit(11)
    """, 11),
    "terminated": ("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)", -15),
    "terminated-with-handler": ("import os, signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(12))\nos.kill(os.getpid(), signal.SIGTERM)", 12),
    "segfault-in-a-thread": ("import ctypes, threading\nthreading.Thread(target=lambda: ctypes.string_at(16)).start()\nimport time; time.sleep(60)", -11),
    "abort-in-a-thread": ("import os, threading\nthreading.Thread(target=os.abort).start()\nimport time; time.sleep(60)", -6),
}


@pytest.mark.fault("the program ends in whatever way", program="the same output and status", trace="everything up to the end, and how it ended")
@pytest.mark.parametrize("how", ENDS)
def test_end__is_the_programs_own(both, python, how):
    source, status = ENDS[how]
    bare, recording = both(source, python)
    assert bare.status == status
    assert recording.finished == (bare._replace(status=128 - status) if status < 0 else bare)
    peak = recording.peak()
    assert peak["trace"]["complete"] and peak["trace"]["damaged_blocks"] == 0
    assert peak["trace"]["exit"] == {"status": status if status >= 0 else None, "signal": -status if status < 0 else None, "oom": False}
    assert held(peak, "hold") == 20 * MB + BLANK
