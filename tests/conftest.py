"""What every end-to-end test can ask for.

  interpreter   each CPython found by tools/interpreters in turn: the test runs once for each
                (@pytest.mark.since(3, 12), @pytest.mark.until(3, 10) narrow that down)
  python        one interpreter, the tests' own: it has numpy, pandas, greenlet, joblib
  memrec        memrec("run", "-o", trace, "--", ...) -> Finished(status, out, err)
  memreplay     the same for memreplay
  record        record("x = bytes(10**6)") or record(["./program", "arg"]) -> Recording, see there
  record_once   the same for an argv, made once a session for all who ask for the same
  programs      the folder of the compiled tests/programs
  packages      packages(interpreter, "greenlet") -> folder for PYTHONPATH; skips where it cannot be had
  soak_seconds  how long a test marked `soak` goes on: MEMREC_SOAK_MINUTES, by default 2

MEMREC_BUILD names the build under test: build, or build/san, where tests marked `san` run: that is put on every test that
runs once, and of those that run for each interpreter on the one with the tests' own version; @pytest.mark.release_only
keeps one out (it limits address space, say, which a sanitizer needs).
Which interpreters really ran a passing test is left in $MEMREC_BUILD/interpreters.ran for the closing lines.

A test of a fault says so, and becomes a row of docs/reliability.md (tools/reliability; faults.py):
  @pytest.mark.fault("the disk is full", program="runs on as bare", trace="ends there; counted")
A test marked `soak` is left out unless -m names soak.
"""
import fcntl
import functools
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import textwrap
import typing

import pytest

import faults
import spread

# What a background job of a shell ignores, its children inherit; the tests' programs start as a terminal's would.
for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, usual)

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / os.environ.get("MEMREC_BUILD", "build")
PROGRAMS = ROOT / "build" / "tests" / "programs"


class Interpreter(typing.NamedTuple):
    version: str  # "3.13.0", "3.13.15t" where free-threaded
    path: str
    prefix: str

    @property
    def minor(self):
        """(3, 13)"""
        return tuple(int(part) for part in self.version.split(".")[:2])

    @property
    def free_threaded(self):
        return self.version.endswith("t")


class Finished(typing.NamedTuple):
    status: int  # as subprocess tells it: -N where signal N ended it
    out: str
    err: str


FOUND = "PYTEST_INTERPRETERS"  # what tools/interpreters told: the workers must not each start them all, nor come to different lists


@functools.lru_cache(maxsize=None)
def interpreters():
    if FOUND not in os.environ:
        os.environ[FOUND] = subprocess.run([ROOT / "tools" / "interpreters"], capture_output=True, text=True, check=True).stdout
    return [Interpreter(*line.split(None, 2)) for line in os.environ[FOUND].splitlines()]


def pytest_sessionstart(session):
    interpreters()  # before there are workers


def pytest_generate_tests(metafunc):
    if "interpreter" not in metafunc.fixturenames:
        return
    chosen = interpreters()
    for mark in metafunc.definition.iter_markers("since"):
        chosen = [each for each in chosen if each.minor >= mark.args]
    for mark in metafunc.definition.iter_markers("until"):
        chosen = [each for each in chosen if each.minor <= mark.args]
    metafunc.parametrize("interpreter", chosen, ids=[each.version for each in chosen])


def pytest_collection_modifyitems(config, items):
    faults.keep_soak_apart(config, items)
    faults.note_marks(items)
    own = "%d.%d.%d" % sys.version_info[:3]
    for item in items:
        interpreter = getattr(item, "callspec", None) and item.callspec.params.get("interpreter")
        # where no interpreter is new or old enough, pytest puts something of its own there, and skips the test
        if getattr(interpreter, "version", own) == own and not item.get_closest_marker("release_only") and not item.get_closest_marker("soak"):
            item.add_marker("san")
    if hasattr(config, "workerinput"):
        spread.order(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return spread.Spread(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_finish(session):
    if os.environ.get("MEMREC_FAULTS"):
        faults.write_marks(session.items, os.environ["MEMREC_FAULTS"])


def pytest_runtest_logreport(report):
    if "PYTEST_XDIST_WORKER" not in os.environ:
        faults.write_result(report, BUILD / "faults.jsonl")
    if report.when == "call" and report.passed and "[" in report.nodeid:
        named = report.nodeid.rsplit("[", 1)[1].rstrip("]").split("-")
        ran = {each.version for each in interpreters()} & set(named)
        if ran:
            with open(BUILD / "interpreters.ran", "a") as file:
                file.write("".join(f"{version}\n" for version in ran))


HANG_SECONDS = 300  # a bound for hangs, not for time: sanitized and on a busy machine, a report of a real package's tests takes two minutes


def run(argv, *, timeout=HANG_SECONDS, env=None, cwd=None, stdin=None):
    """Runs argv to its end; a timeout fails the test and shows what was said until then."""
    whole = dict(os.environ, **{name: value for name, value in (env or {}).items() if value is not None})
    for name, value in (env or {}).items():
        if value is None:
            whole.pop(name, None)
    source = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
    try:
        done = subprocess.run([os.fspath(part) for part in argv], capture_output=True, timeout=timeout, env=whole, cwd=cwd, **source)
    except subprocess.TimeoutExpired as late:
        pytest.fail(f"{argv} still ran after {timeout} s\nstdout: {late.stdout}\nstderr: {late.stderr}")
    return Finished(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


@pytest.fixture(scope="session")
def programs():
    return PROGRAMS


@pytest.fixture(scope="session")
def python():
    version = "%d.%d.%d" % sys.version_info[:3]
    return Interpreter(version, sys.executable, sys.prefix)


@pytest.fixture(scope="session")
def memrec():
    return lambda *args, **how: run([BUILD / "memrec", *args], **how)


@pytest.fixture(scope="session")
def memreplay():
    return lambda *args, **how: run([BUILD / "memreplay", *args], **how)


# A process of its own starts what is measured: what pytest has taken before would count, too.
MEASURED = """
import resource, subprocess, sys
limit = int(sys.argv[1])
done = subprocess.run(sys.argv[2:], stdout=subprocess.DEVNULL, timeout=120, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit)))
print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10)
"""


def peak_rss(argv, limit_bytes=resource.RLIM_INFINITY):
    """(status, stderr, bytes) of a run with that limit on its memory: of the process that took most."""
    done = run([sys.executable, "-c", MEASURED, str(limit_bytes), *map(str, argv)])
    status, rss = map(int, done.out.split())
    return status, done.err, rss


class Recording:
    """A finished recording: .trace (path), .finished (how `memrec run` ended), and the reports as JSON."""

    def __init__(self, trace, finished):
        self.trace, self.finished = trace, finished

    def report(self, command, *options):
        """memreplay COMMAND --json OPTIONS TRACE, parsed; the test fails unless it exits 0."""
        done = run([BUILD / "memreplay", command, "--json", *options, self.trace])
        assert done.status == 0, f"memreplay {command}: exit {done.status}\n{done.err}"
        return json.loads(done.out)

    def peak(self, *options):
        return self.report("peak", *options)

    def leaks(self, *options):
        return self.report("leaks", *options)

    def summary(self, *options):
        return self.report("summary", *options)

    def temporary(self, *options):
        return self.report("temporary", *options)


def held_by(report, function, file=None):
    """Bytes of the stacks of a report in which `function` stands anywhere (and in `file`, compared by its end)."""
    return sum(stack["bytes"] for stack in report["stacks"]
               if any(frame["function"] == function and (file is None or frame["file"].endswith(file))
                      for frame in stack["frames"]))


@pytest.fixture
def record(tmp_path):
    """record(what, *, python=Interpreter, options=(), args=(), status=0, env=, cwd=, timeout=, stdin=) -> Recording.

    what: Python source (dedented and written to job.py, run by `python`, by default the tests' own), the path of a
    script, or a whole argv as a list. options: further options of `memrec run`. status: what memrec must exit with;
    None takes anything.
    """
    count = 0

    def recorded(what, *, python=None, options=(), args=(), status=0, **how):
        nonlocal count
        count += 1
        trace = tmp_path / f"trace{count}.lz4"
        if isinstance(what, str):
            script = tmp_path / (f"job{count}.py" if count > 1 else "job.py")
            script.write_text(textwrap.dedent(what))
            what = script
        if isinstance(what, pathlib.Path):
            what = [python.path if python else sys.executable, what]
        how.setdefault("cwd", tmp_path)
        done = run([BUILD / "memrec", "run", "-o", trace, *options, "--", *what, *args], **how)
        assert status is None or done.status == status, \
            f"memrec run: exit {done.status}, not {status}\nstdout: {done.out}\nstderr: {done.err}"
        return Recording(trace, done)

    return recorded


@pytest.fixture(scope="session")
def record_once(tmp_path_factory):
    """record_once(argv, *, options=(), env=None, status=0) -> Recording, made once for all tests that ask for the same."""
    made = {}

    def recorded(argv, *, options=(), env=None, status=0):
        key = (*map(str, argv), None, *options, None, *sorted((env or {}).items()), status)
        if key not in made:
            trace = tmp_path_factory.mktemp("once") / "trace.lz4"
            done = run([BUILD / "memrec", "run", "-o", trace, *options, "--", *argv], env=env, cwd=trace.parent)
            assert done.status == status, f"memrec run: exit {done.status}\nstdout: {done.out}\nstderr: {done.err}"
            made[key] = Recording(trace, done)
        return made[key]

    return recorded


@functools.lru_cache(maxsize=None)
def installed(path, version, wanted):
    folder = ROOT / "build" / "site" / version
    ready = folder / f".{wanted}"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two of pip in one folder take away each other's files, and those that a third one uses
        if not ready.exists():
            done = subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", path, "install", "-q",
                                   "--only-binary", ":all:", "--target", folder, "--upgrade", wanted], capture_output=True, text=True)
            if done.returncode:
                return None
            ready.touch()
    return folder


@pytest.fixture(scope="session")
def soak_seconds():
    return 60 * float(os.environ.get("MEMREC_SOAK_MINUTES", "2"))


@pytest.fixture(scope="session")
def packages():
    def packages_for(interpreter, *wanted):
        for name in wanted:
            folder = installed(interpreter.path, interpreter.version, name)
            if folder is None:
                pytest.skip(f"no {name} for {interpreter.version}")
        return folder

    return packages_for
