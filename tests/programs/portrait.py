"""What a Python can find out about its own process, as JSON: {group: {fact: value}}.

For tests that compare a run with another one, so nothing is in it that differs between two runs anyway: numbers of processes,
addresses, times, counts of context switches, the size of the stack (random by a page), queued signals (the user's, not ours),
swap, the room in the table of descriptors (as the parent had it). Groups are gathered in the order of their lines below: what the interpreter had before this
script imported anything comes first. What a machine or version has not got is null.
"""
import sys

had = {"modules": sorted(sys.modules), "path": list(sys.path), "finders": [str(getattr(each, "__name__", type(each))) for each in sys.meta_path],
       "hooks": [str(getattr(each, "__name__", type(each))) for each in sys.path_hooks], "path cache": sorted(sys.path_importer_cache)}

import gc  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import signal  # noqa: E402

portrait = {}
try:
    import ctypes
    libc = ctypes.CDLL(None)
except ImportError:
    ctypes = libc = None


def read(path):
    try:
        with open(path, errors="surrogateescape") as file:
            return file.read()
    except OSError as error:
        return f"errno {error.errno}"


def link(path):
    try:
        return os.readlink(path)
    except OSError as error:
        return f"errno {error.errno}"


def group(function):
    """Gathers the group of that name now."""
    portrait[function.__name__] = function()


def plain(value):
    """Without the address that a repr may end with."""
    return str(value).split(" at 0x")[0]


# ---- the interpreter ----

@group
def interpreter():
    facts = dict(had, argv=sys.argv, flags=str(sys.flags), options=str(sys._xoptions), executable=sys.executable, prefix=sys.prefix,
                 recursion=sys.getrecursionlimit(), switch=sys.getswitchinterval(), trace=str(sys.gettrace()), profile=str(sys.getprofile()),
                 bytecode=sys.dont_write_bytecode, dlopen=sys.getdlopenflags(), asyncgen=str(sys.get_asyncgen_hooks()),
                 origin=sys.get_coroutine_origin_tracking_depth())
    facts["orig_argv"] = getattr(sys, "orig_argv", None)
    facts["monitoring"] = [sys.monitoring.get_tool(number) for number in range(6)] if hasattr(sys, "monitoring") else None
    facts.update({name: plain(getattr(sys, name, None)) for name in ("excepthook", "displayhook", "unraisablehook", "breakpointhook")})
    facts.update({name: [getattr(sys, name).encoding, getattr(sys, name).errors, getattr(sys, name).line_buffering, getattr(sys, name).isatty()]
                  for name in ("stdin", "stdout", "stderr")})
    return facts


@group
def collection():
    return {"on": gc.isenabled(), "thresholds": gc.get_threshold(), "callbacks": len(gc.callbacks), "frozen": gc.get_freeze_count(),
            "debug": gc.get_debug(), "garbage": len(gc.garbage)}


@group
def warnings():
    import warnings
    return {"options": sys.warnoptions, "filters": [str(each) for each in warnings.filters], "shown by": plain(warnings.showwarning)}


@group
def interpreters_parts():
    import atexit
    import faulthandler
    import threading
    import tracemalloc
    return {"atexit": atexit._ncallbacks(), "faulthandler": faulthandler.is_enabled(), "tracemalloc": tracemalloc.is_tracing(),
            "threads": [each.name for each in threading.enumerate()], "stack size": threading.stack_size(), "excepthook": plain(threading.excepthook)}


@group
def allocator():
    """The name that PyMem_GetAllocator's functions have: only where CPython's own test module is installed."""
    try:
        import _testinternalcapi as internal
        tell = getattr(internal, "pymem_getallocatorsname", None)
        if not tell:
            import _testcapi
            tell = _testcapi.pymem_getallocatorsname
    except (ImportError, AttributeError):
        return {"name": None}
    try:
        return {"name": tell()}
    except RuntimeError as error:
        return {"name": str(error)}


@group
def language():
    import locale
    import time
    return {"locale": locale.setlocale(locale.LC_ALL), "preferred": locale.getpreferredencoding(False), "files": sys.getfilesystemencoding(),
            "zone": time.tzname}


# ---- the process, as it is told by the system ----

@group
def environment():
    return dict(os.environ)


@group
def initial_environment():
    return dict(each.partition("=")[::2] for each in read("/proc/self/environ").split("\0") if each)


def descriptors_now():
    import fcntl
    open_ones = {}
    for number in range(512):
        try:
            flags = fcntl.fcntl(number, fcntl.F_GETFD), fcntl.fcntl(number, fcntl.F_GETFL)
        except OSError:
            continue
        name = link(f"/proc/self/fd/{number}")
        open_ones[number] = [name.split("[")[0] if "[" in name else name, *flags]
    return open_ones


@group
def descriptors():
    return descriptors_now()


@group
def signals():
    def handler(number):
        try:
            return plain(signal.getsignal(number))
        except ValueError:
            return None
    facts = {str(number): handler(number) for number in range(1, signal.NSIG)}
    facts.update(mask=[int(each) for each in signal.pthread_sigmask(0, [])], pending=[int(each) for each in signal.sigpending()],
                 timers=[signal.getitimer(which) for which in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)],
                 posix_timers=read("/proc/self/timers"))
    wakeup = signal.set_wakeup_fd(-1)
    return dict(facts, wakeup=wakeup)


NOT_COMPARED = ("FDSize", "Tgid", "Ngid", "Pid", "PPid", "NStgid", "NSpid", "NSpgid", "NSsid", "VmStk", "VmSwap", "SigQ", "voluntary_ctxt_switches",
                "nonvoluntary_ctxt_switches")


@group
def status():
    lines = (line.partition(":") for line in read("/proc/self/status").splitlines())
    return {name: value.strip() for name, _, value in lines if name not in NOT_COMPARED}


@group
def maps():
    """Names of files and regions; whether any is writable and executable at once."""
    lines = [line.split(None, 5) for line in read("/proc/self/maps").splitlines()]
    facts = {line[5].rsplit("/", 1)[-1]: "mapped" for line in lines if len(line) > 5}
    return dict(facts, both=sorted({line[1] for line in lines if "wx" in line[1]}))


@group
def limits():
    import resource
    facts = {str(number): resource.getrlimit(number) for number in range(16)}
    return dict(facts, table=read("/proc/self/limits"))


@group
def process():
    names = ("cmdline", "comm", "oom_score_adj", "coredump_filter", "personality", "timerslack_ns", "loginuid", "sessionid", "cgroup", "autogroup",
             "uid_map", "setgroups", "timens_offsets", "attr/current")
    facts = {name: read(f"/proc/self/{name}") for name in names}
    facts.update({name: link(f"/proc/self/{name}") for name in ("exe", "cwd", "root")})
    facts.update({f"ns/{name}": link(f"/proc/self/ns/{name}") for name in sorted(os.listdir("/proc/self/ns"))})
    stat = read("/proc/self/stat").rsplit(")", 1)[1].split()
    facts.update(group=os.getpgrp(), session=os.getsid(0), tty=stat[4], foreground=stat[5], nice=stat[16], priority=stat[15],
                 exit_signal=stat[35], scheduling=os.sched_getscheduler(0), processors=sorted(os.sched_getaffinity(0)))
    facts["threads"] = sorted(read(f"/proc/self/task/{task}/comm") for task in os.listdir("/proc/self/task"))
    facts["children"] = read("/proc/thread-self/children")
    facts["files here"] = sorted(os.listdir("."))
    old = os.umask(0o77)
    os.umask(old)
    return dict(facts, umask=old, ids=[os.getresuid(), os.getresgid(), os.getgroups()])


@group
def parent():
    return {"name": read(f"/proc/{os.getppid()}/comm").strip(), "same session": os.getsid(os.getppid()) == os.getsid(0),
            "same group": os.getpgid(os.getppid()) == os.getpgrp()}


PRCTL = {"keepcaps": 7, "timing": 13, "seccomp": 21, "securebits": 27, "timerslack": 30, "machine checks": 34, "no_new_privs": 39,
         "huge pages off": 42, "dumpable": 3, "io flusher": 58, "write or execute": 66, "memory merge": 68}
PRCTL_POINTER = {"pdeathsig": 2, "subreaper": 37, "tsc": 25}


@group
def prctl():
    if not libc:
        return {}
    facts = {name: libc.prctl(number, 0, 0, 0, 0) for name, number in PRCTL.items() if number}
    for name, number in PRCTL_POINTER.items():
        value = ctypes.c_int(-1)
        facts[name] = [libc.prctl(number, ctypes.byref(value), 0, 0, 0), value.value]
    return facts


@group
def library():
    """What C code sees: where malloc comes from, the first thread-specific key that is free, the alternate signal stack."""
    if not libc:
        return {}

    class Found(ctypes.Structure):
        _fields_ = [("file", ctypes.c_char_p), ("base", ctypes.c_void_p), ("symbol", ctypes.c_char_p), ("at", ctypes.c_void_p)]

    class Stack(ctypes.Structure):
        _fields_ = [("at", ctypes.c_void_p), ("flags", ctypes.c_int), ("bytes", ctypes.c_size_t)]

    def home(name):
        found = Found()
        libc.dladdr(ctypes.cast(getattr(libc, name), ctypes.c_void_p), ctypes.byref(found))
        return os.path.basename(found.file or b"").decode()

    key, stack = ctypes.c_uint(), Stack()
    libc.pthread_key_create(ctypes.byref(key), None)
    libc.pthread_key_delete(key)
    libc.sigaltstack(None, ctypes.byref(stack))
    facts = {name: home(name) for name in ("malloc", "mmap", "fork", "execve", "waitpid", "pthread_create", "dlsym",
                                         "dlopen", "read", "write", "open", "close", "sigaction", "getenv", "prctl", "exit", "_exit")}
    libc.getauxval.restype = ctypes.c_ulong
    return dict(facts, key=key.value, stack=[stack.flags, stack.bytes], secure=libc.getauxval(23), personality=libc.personality(0xffffffff))


# ---- what others see that it starts ----

CHILD = "import json, os, sys; print(json.dumps({'environment': dict(os.environ), 'flags': str(sys.flags), 'warnings': sys.warnoptions}))"


@group
def child_python():
    import subprocess
    done = subprocess.run([sys.executable, "-I", "-c", CHILD], capture_output=True, text=True)
    told = json.loads(done.stdout)
    return dict(told.pop("environment"), **{f"({name})": value for name, value in told.items()}, **{"(errors)": done.stderr, "(status)": done.returncode})


@group
def child_program():
    """Another program: its environment, descriptors and signals."""
    import subprocess
    done = subprocess.run(["/bin/sh", "-c", "env -0; printf '(signals)='; grep ^Sig[BICP] /proc/self/status | tr '\\n\\t' '  '"],
                          capture_output=True, text=True, close_fds=False)
    facts = dict(each.partition("=")[::2] for each in done.stdout.split("\0") if each)
    return dict(facts, **{"(errors)": done.stderr, "(status)": done.returncode})


@group
def child_forked():
    """With every warning an error: since 3.12 a fork in a process with threads is one."""
    import warnings
    read_end, write_end = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pid = os.fork()
    if pid == 0:
        os.close(read_end)
        told = {"descriptors": descriptors_now(), "tasks": len(os.listdir("/proc/self/task")), "mask": [int(each) for each in signal.pthread_sigmask(0, [])]}
        os.write(write_end, json.dumps(told).encode())
        os._exit(7)
    os.close(write_end)
    with open(read_end) as pipe:
        told = json.load(pipe)
    told["status"] = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:
        told["others"] = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        told["others"] = "none"
    return told


@group
def errors():
    """An exception that nobody caught in the program's own eyes, and memory that is not to be had."""
    import traceback

    def raises():
        raise ValueError("told")
    try:
        raises()
    except ValueError:
        told = traceback.format_exc()
    try:
        bytes(1 << 62)
    except MemoryError:
        refused = traceback.format_exc()
    return {"traceback": told, "no memory": refused}


@group
def descriptors_at_the_end():
    return descriptors_now()


json.dump(portrait, sys.stdout, default=str)
