"""setting: where and with what the bench measures: its folder, interpreter, packages and peers, and the machine.

The bench brings what it needs (build/bench: a virtual environment, the documents that workloads read, the C storm), from the
packages that requirements.txt pins; heaptrack comes from the distribution where apt-get may install it. Whatever cannot be
had is a gap with its reason, never an error: the tables name it.
"""
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FOLDER = pathlib.Path(os.environ.get("MEMREC_BENCH_FOLDER") or ROOT / "build/bench")
PYTHON = str(FOLDER / "bin/python")
STORM = str(FOLDER / "storm")
SCRIPT = str(ROOT / "tools/bench/workloads.py")
REQUIREMENTS = ROOT / "tools/bench/requirements.txt"
COMPILER = os.environ.get("CC") or "gcc"
PACKAGE_SECONDS = 1200


def say(words):
    print(words, file=sys.stderr, flush=True)


def tried(argv, **how):
    """(worked, the last line that it said)"""
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PACKAGE_SECONDS, **how)
    except (OSError, subprocess.TimeoutExpired) as why:
        return False, str(why)
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    return done.returncode == 0, lines[-1].strip() if lines else f"exit {done.returncode}"


def prepare(wanted):
    """Brings what is missing; returns the gaps: {what: why}. `wanted`: names of packages of requirements.txt, or "heaptrack"."""
    if not tried([PYTHON, "-c", "import pip"])[0]:
        say(f"making an environment in {FOLDER}")
        worked, why = tried([os.environ.get("PYTHON") or "python3", "-m", "venv", "--clear", str(FOLDER)])
        if not worked:
            sys.exit(f"bench: no virtual environment (apt-get install python3-venv?): {why}")
    gaps = {}
    here = versions()
    for line in REQUIREMENTS.read_text().splitlines():
        package, _, version = line.partition("==")
        if not version or here.get(package) == version or package not in wanted:
            continue
        say(f"installing {line}")
        for what in (line, package):  # an interpreter for which there is no such version may have another; the tables say which
            worked, why = tried([PYTHON, "-m", "pip", "--disable-pip-version-check", "-q", "install", what])
            if worked:
                break
        else:
            gaps[package] = why
    if "heaptrack" in wanted and not shutil.which("heaptrack"):
        gaps.update(distribution("heaptrack"))
    gaps.update(make_storm())
    return gaps


def warm(names):
    """Makes the documents and runs each workload once, shortly: no run is charged for what is compiled or read the first time."""
    say("making documents, warming up")
    for name in ["documents", *(name for name in names if name != "storm")]:
        tried([PYTHON, SCRIPT, name, "scale=0.02"], env=dict(os.environ, MEMREC_BENCH_DATA=str(FOLDER / "data")))


def make_storm():
    """Compiles the C storm; {} or the gap."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    worked, why = tried([COMPILER, "-O2", "-pthread", "-o", STORM, str(ROOT / "tools/bench/storm.c")])
    return {} if worked else {"storm": why}


def distribution(package):
    """Installs a package of the distribution as root, or through a sudo that asks nothing; {} or the gap."""
    if not shutil.which("apt-get"):
        return {package: "not on PATH, and no apt-get here"}
    before = [] if os.geteuid() == 0 else ["sudo", "-n"]
    say(f"installing {package}")
    quiet = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    tried([*before, "apt-get", "-qq", "update"], env=quiet)
    worked, why = tried([*before, "apt-get", "-qq", "install", "-y", "--no-install-recommends", package], env=quiet)
    return {} if worked and shutil.which(package) else {package: why}


def versions():
    """{package: version} of the bench's environment, and of what else is measured."""
    ask = ("import importlib.metadata as m, json; "
           "print(json.dumps({d.metadata['Name'].lower(): d.version for d in m.distributions()}))")
    done = subprocess.run([PYTHON, "-c", ask], stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout) if done.returncode == 0 else {}
    if shutil.which("heaptrack"):
        found["heaptrack"] = tried(["heaptrack", "--version"])[1].split()[-1]
    return found


def first_match(path, pattern):
    try:
        with open(path) as file:
            return re.search(pattern, file.read(), re.M).group(1)
    except (OSError, AttributeError):
        return "unknown"


def machine():
    commit, compiler = tried(["git", "-C", str(ROOT), "describe", "--always", "--dirty"]), tried([COMPILER, "-dumpfullversion"])
    return {"processor": first_match("/proc/cpuinfo", r"^model name\s*: (.*)$"), "cores": len(os.sched_getaffinity(0)),
            "memory_bytes": int(first_match("/proc/meminfo", r"^MemTotal:\s*(\d+)")) * 1024, "kernel": platform.release(),
            "python": tried([PYTHON, "-c", "import platform; print(platform.python_version())"])[1],
            "commit": commit[1] if commit[0] else "unknown", "compiler": f"{COMPILER} {compiler[1]}"}


def bring_interpreters():
    """Brings 3.15 where tools/setup-interpreters can (seconds); returns the gaps. A free-threaded one takes minutes: only told."""
    if "3.15" not in interpreters():
        say("bringing CPython 3.15")
        tried([str(ROOT / "tools/setup-interpreters")])
    here = interpreters()
    gaps = {} if "3.15" in here else {"CPython 3.15": "not here, and tools/setup-interpreters did not bring it"}
    if not any(tag.endswith("t") for tag in here):
        gaps["free-threaded CPython"] = "not here; tools/setup-interpreters 3.13t builds one in some minutes"
    return gaps


def interpreters():
    """{tag: path} of the newest of each CPython on this machine: "3.15", "3.13t"."""
    done = subprocess.run([str(ROOT / "tools/interpreters")], stdout=subprocess.PIPE, text=True)
    found = {}
    for line in done.stdout.splitlines():
        version, path, _ = line.split(None, 2)
        found[".".join(version.split(".")[:2]) + ("t" if version.endswith("t") else "")] = path
    return found
