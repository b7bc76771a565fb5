"""peers: the recorders that are measured, ours among them, and how each is told to run a program.

A recorder is a title, what it needs to be installed, and a command line. Two that are asked for the same facts have the same
`mode`: every Python object, or only what reaches malloc and mmap. A slow one gets a share of the work, and is compared with
a bare run of the same share. Reports (what is asked of a finished trace) stand here too, each beside the one that answers
the same question.
"""
import json
import os
import subprocess
import typing

import setting

MEMREC, MEMREPLAY = str(setting.ROOT / "build/memrec"), str(setting.ROOT / "build/memreplay")
OBJECTS, MALLOCS = "every object", "malloc and mmap"


class Recorder(typing.NamedTuple):
    title: str
    does: str  # for docs/performance.md
    command: typing.Callable  # (program as argv, path of the output) -> argv
    needs: str = ""  # a package of requirements.txt, or "heaptrack"
    mode: str = ""
    ours: bool = False
    any_program: bool = False  # programs without Python too
    native: bool = False  # with native frames, in a part of its own
    share: float = 1.0


def memrec(*options):
    return lambda program, out: [MEMREC, "run", "-q", "-f", *options, "-o", out, "--", *program]


def memray(*options):
    return lambda program, out: [program[0], "-m", "memray", "run", "-q", "-f", *options, "-o", out, *program[1:]]


def fil(program, out):
    return [program[0], "-m", "filprofiler", "--no-browser", "-o", out, "run", *program[1:]]


def tracemalloc(program, out):
    return [program[0], "-X", "tracemalloc=25", *program[1:]]


ALL = {each.title: each for each in (
    Recorder("bare", "no recorder", lambda program, out: program, any_program=True),
    Recorder("memrec", "every allocation and free, pymalloc's small objects one by one, each with its exact Python stack", memrec(),
             mode=OBJECTS, ours=True, any_program=True),
    Recorder("memrec --no-objects", "only what reaches malloc and mmap; pymalloc's arenas stand for its objects", memrec("--no-objects"),
             mode=MALLOCS, ours=True, any_program=True),
    Recorder("memrec --native", "every allocation and free, each with its native and Python frames", memrec("--native"), ours=True, any_program=True, native=True),
    Recorder("memrec --no-objects --native", "what reaches malloc and mmap, with native and Python frames", memrec("--no-objects", "--native"),
             ours=True, any_program=True, native=True),
    Recorder("memray", "what reaches malloc and mmap, written inside the process, compressed at exit", memray(), "memray", MALLOCS),
    Recorder("memray --trace-python-allocators", "every object", memray("--trace-python-allocators"), "memray", OBJECTS),
    Recorder("memray --native", "what reaches malloc and mmap, with native frames (unwound by libunwind)", memray("--native"), "memray"),
    Recorder("memray --aggregate", "what reaches malloc and mmap, aggregated in the process: no history, nothing if it is killed",
             memray("--aggregate"), "memray"),
    Recorder("Fil", "every malloc (pymalloc is switched off), the peak alone is kept, in the process", fil, "filprofiler", share=0.3),
    Recorder("heaptrack", "every malloc with its native stack; Python frames are not seen", lambda program, out: ["heaptrack", "-o", out, *program],
             "heaptrack", any_program=True),
    Recorder("tracemalloc", "every object, 25 frames, kept in the process; nothing is written", tracemalloc, share=0.05),
)}
ENVIRONMENT = {"PYTHONHASHSEED": "0", "DISPLAY": "", "WAYLAND_DISPLAY": "", "MEMREC_BENCH_DATA": str(setting.FOLDER / "data")}


NATIVE_PEERS = ("memray --native", "heaptrack")


class Report(typing.NamedTuple):
    title: str
    of: str  # the recorder whose traces it reads
    asks: str  # what it answers: the same words, the same question
    command: typing.Callable  # (path of the trace, path of the output) -> argv


def memreplay(*command):
    return lambda trace, out: [MEMREPLAY, *command, "-f", "-o", out, trace]


def memray_report(*command):
    return lambda trace, out: [setting.PYTHON, "-m", "memray", command[0], "-f", *command[1:], "-o", out, trace]


REPORTS = {each.title: each for each in (
    Report("memreplay summary", "memrec", "totals", memreplay("summary")),
    Report("memreplay peak", "memrec", "peak", memreplay("peak")),
    Report("memreplay leaks", "memrec", "leaks", memreplay("leaks")),
    Report("memray flamegraph", "memray --trace-python-allocators", "peak", memray_report("flamegraph", "--no-web")),
    Report("memray stats", "memray --trace-python-allocators", "totals", memray_report("stats", "--json")),
    Report("memray flamegraph --leaks", "memray --trace-python-allocators", "leaks", memray_report("flamegraph", "--no-web", "--leaks")),
    Report("memreplay flamegraph", "memrec", "view", memreplay("flamegraph")),
    Report("memreplay peak --table", "memrec", "view", memreplay("peak", "--table")),
    Report("memreplay sqlite", "memrec", "view", memreplay("sqlite")),
    Report("memreplay timeline", "memrec", "view", memreplay("timeline")),
    Report("memreplay flamegraph, native", "memrec --native", "native", memreplay("flamegraph")),
    Report("memray flamegraph, native", "memray --native", "native", memray_report("flamegraph", "--no-web")),
    Report("memray table", "memray --trace-python-allocators", "view", memray_report("table", "--no-web")),
    Report("memray flamegraph --temporal", "memray --trace-python-allocators", "view", memray_report("flamegraph", "--no-web", "--temporal")),
)}
# Each view beside the nearest of memray's. Its flame graph is of one moment, its temporal one and ours of any.
VIEWS = (("memreplay flamegraph", "memray flamegraph"), ("memreplay flamegraph", "memray flamegraph --temporal"),
         ("memreplay peak --table", "memray table"), ("memreplay sqlite", "memray flamegraph --temporal"),
         ("memreplay timeline", "memray flamegraph --temporal"))

EVENTS_OF_MEMRAY = "import memray, sys; print(memray.FileReader(sys.argv[1]).metadata.total_allocations)"


def told_by(recorder, out):
    """What the trace itself says: {"events", "stacks", "live_blocks"} as far as it does."""
    if recorder.ours:
        told = json.loads(output_of([MEMREPLAY, "summary", "--json", out]))
        return {"events": told["trace"]["events"], "stacks": told["stacks"], "live_blocks": told["peak"]["allocations"],
                "lost": told["trace"]["lost_events"]}
    if recorder.needs == "memray" and "--aggregate" not in recorder.title:
        return {"events": int(output_of([setting.PYTHON, "-c", EVENTS_OF_MEMRAY, out]))}
    return {}


def output_of(argv):
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True,
                          env=dict(os.environ, **ENVIRONMENT)).stdout
