"""meter: runs a command with everything that it starts, and tells what the whole tree took.

Why a subreaper: a collector or a peer's helper may outlive its parent; as their reaper we wait for each of them, so no CPU time
escapes and the clock stops when the last is gone. What cannot be asked afterwards is sampled every 25 ms while they run:
each process's most resident bytes (the kernel keeps the high-water mark, so little is missed) and the bytes of the output
folder. Not here: what the commands are (peers.py), and what the samples mean (results.py).
"""
import ctypes
import os
import select
import signal
import time
import typing

SAMPLE_SECONDS = 0.025
PR_SET_CHILD_SUBREAPER = 36


class Process(typing.NamedTuple):
    rss_bytes: int
    threads: int


class Measured(typing.NamedTuple):
    status: int  # of the command itself, as subprocess tells it: -N where signal N ended it
    late: bool  # it took longer than it was given and was ended
    wall_s: float  # until the command itself ended
    settled_s: float  # until the last process of its tree was gone
    cpu_s: float  # of the whole tree
    rss_bytes: int  # the most of the command's own process
    processes: dict  # pid -> Process, the most of every process seen
    disk_bytes: int  # the most that the folder held


def become_reaper():
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def folder_bytes(folder):
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(where, name)).st_size
            except OSError:
                pass
    return total


class Family:
    """The processes below us. A pid is asked for its parent once: /proc lists all of the machine's, and asking takes time."""

    def __init__(self):
        self.strangers = {int(name) for name in os.listdir("/proc") if name.isdigit()}
        self.members = {os.getpid()}
        self.most = {}

    def look(self):
        for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
            if pid not in self.strangers and pid not in self.members:
                (self.members if self.parent(pid) in self.members else self.strangers).add(pid)
        for pid in self.members - {os.getpid()}:
            self.most[pid] = Process(*map(max, self.most.get(pid, Process(0, 0)), self.now(pid)))

    @staticmethod
    def parent(pid):
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                return int(file.read().rpartition(b")")[2].split()[1])
        except OSError:
            return 0

    @staticmethod
    def now(pid):
        try:
            with open(f"/proc/{pid}/status", "rb") as file:
                told = dict(line.split(b":", 1) for line in file)
        except OSError:
            return Process(0, 0)
        return Process(int(told.get(b"VmHWM", b"0").split()[0]) * 1024, int(told.get(b"Threads", b"0")))

    def end(self):
        for pid in self.members - {os.getpid()}:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


def start(argv, out, environment, cpus):
    """Returns the pid once it runs argv: before, it is a copy of us, which is larger than what is to be measured."""
    ready, told = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid:
        os.close(told)
        os.read(ready, 1)
        os.close(ready)
        return pid
    try:
        os.setsid()
        if cpus:
            os.sched_setaffinity(0, cpus)
        nothing = os.open(os.devnull, os.O_RDONLY)
        words = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        for number, file in enumerate((nothing, words, words)):
            os.dup2(file, number)
        os.execvpe(argv[0], argv, environment)
    except BaseException as why:
        os.write(2, f"{argv[0]}: {why}\n".encode())
    os._exit(127)


def reap(pid, ended):
    """Collects who has ended: adds their CPU seconds to `ended`; returns whether anybody is left."""
    while True:
        try:
            who, status, used = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if who == 0:
            return True
        ended["cpu_s"] += used.ru_utime + used.ru_stime
        if who == pid:
            ended.update(status=os.waitstatus_to_exitcode(status), at=time.perf_counter())


def measure(argv, folder, out, *, limit_s, environment=None, cpus=None, interval_s=SAMPLE_SECONDS):
    """Runs argv, its output (both kinds) going to the file `out`; `folder` is watched. Everything is ended after limit_s."""
    family, ended, most_bytes, late = Family(), {"cpu_s": 0.0, "status": None}, 0, False
    began = time.perf_counter()
    pid = start([os.fspath(part) for part in argv], out, dict(os.environ, **(environment or {})), cpus)
    family.members.add(pid)
    waiter = os.pidfd_open(pid)
    try:
        while reap(pid, ended):
            family.look()
            most_bytes = max(most_bytes, folder_bytes(folder))
            if time.perf_counter() - began > limit_s:
                late = True
                family.end()
            if ended["status"] is None:
                select.select([waiter], [], [], interval_s)
            else:
                time.sleep(0.002)
        settled = time.perf_counter() - began
    except BaseException:
        family.end()
        while reap(pid, ended):
            family.look()
            family.end()
            time.sleep(0.01)
        raise
    finally:
        os.close(waiter)
    most_bytes = max(most_bytes, folder_bytes(folder))
    own = family.most.get(pid, Process(0, 0)).rss_bytes
    return Measured(ended["status"], late, ended["at"] - began, settled, ended["cpu_s"], own, family.most, most_bytes)
