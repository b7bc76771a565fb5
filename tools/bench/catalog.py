"""catalog: what is measured: the workloads with the goals of their rows, and the plan of each part of a run.

A part is a list of groups; the runs of a group follow each other within a round, so that a noisy machine hurts all alike,
and the first of a share of the work is the bare one. Not here: what a workload does (workloads.py, storm.c), what a
recorder does (peers.py), and whether a goal is reached (goals.py).
"""
import typing

import peers
import setting


class Workload(typing.NamedTuple):
    name: str
    title: str
    every: float = 0  # the most that wall ÷ bare may be: with every object
    without: float = 0  # with --no-objects
    one_core: float = 0  # with every object, program and collector on one core
    heavy: bool = False  # allocates all the time
    shared: str = ""  # settings for a share of the work ("" where a share would be another workload)
    needs: tuple = ()


SCALED = "scale={share}"
ONE_CORE_SHARE, REPORTS_SHARE = 0.6, 0.25  # of the work
WORKLOADS = {each.name: each for each in (
    Workload("calls", "calls, small objects", 1.35, 1.02, 1.5, True, SCALED),
    Workload("mallocs", "malloc storm, depth 8", 1.25, 1.10, 1.6, True, SCALED),
    Workload("deep", "depth 100–400", 2.5, 1.6, 3.5, True, SCALED),
    Workload("arrays", "numpy temporaries", 1.08, 1.02, 1.2, needs=("numpy",), shared=SCALED),
    Workload("tables", "pandas", 1.08, 1.02, 1.2, needs=("numpy", "pandas")),
    Workload("forest", "sklearn, n_jobs=2", 1.08, 1.02, 1.2, needs=("numpy", "scipy", "scikit-learn")),
    Workload("parse", "json, 78 MB", 1.25, 1.02, 1.4, True, SCALED),
    Workload("threads", "8 Python threads", 1.5, 1.15, 2.1, True, SCALED),
    Workload("imports", "imports", 1.3, 1.1, 1.5, needs=("numpy", "pandas", "pyarrow", "scipy", "scikit-learn")),
    Workload("tasks", "asyncio, 100 k tasks", 1.4, 1.1, 1.6, True, SCALED),
    Workload("stacks", "a million stacks", heavy=True, shared="scale={share} count=1000000"),
    Workload("storm", "C storm, 4 threads", heavy=True),
)}
OTHERS = {each.name: each for each in (Workload("randoms", "random sizes and places", heavy=True),
                                       Workload("thirty", "depth 30", heavy=True),
                                       Workload("empty", "an empty script"))}
BOTH = {**WORKLOADS, **OTHERS}


class Run(typing.NamedTuple):
    """One command to be measured; all fields but the command's own are its name in the results."""
    part: str
    workload: str
    variant: str  # "16x", "3.15": what is special about it; "" in the main part
    recorder: str
    settings: tuple = ()
    share: float = 1.0
    cores: int = 0  # pinned to so many; 0: all
    python: str = setting.PYTHON
    reports: tuple = ()  # asked of its trace

    def program(self):
        if self.workload == "storm":
            return [setting.STORM, *self.settings]
        return [self.python, setting.SCRIPT, self.workload, *self.settings]


def possible(recorder, workload):
    return workload != "storm" or peers.ALL[recorder].any_program


def reports_of(recorder, views=False):
    wanted = {title for pair in peers.VIEWS for title in pair} if views else {title for title, report in peers.REPORTS.items() if report.asks not in ("view", "native")}
    return tuple(title for title, report in peers.REPORTS.items() if report.of == recorder and title in wanted)


def own_reports_of(recorder):
    """What the goals of the replay speak of, on traces of full size."""
    return tuple(title for title in reports_of(recorder) if peers.ALL[recorder].ours and peers.REPORTS[title].asks != "leaks")


def settings_of(workload, share):
    return tuple(workload.shared.format(share=share).split()) if share != 1 else ()


def main_part(names, recorders, scale):
    """Every workload with every recorder, and our reports."""
    for name in names:
        workload, group = WORKLOADS[name], []
        for recorder in (each for each in recorders if not (peers.ALL[each].ours and peers.ALL[each].native)):
            share = (peers.ALL[recorder].share if workload.shared else 1.0) * scale
            group.append(Run("main", name, "", recorder, small(workload, share), share, reports=own_reports_of(recorder)))
        shares = {run.share for run in group} - {scale}
        group += [Run("main", name, "", "bare", small(workload, share), share) for share in sorted(shares)]
        yield [run for run in group if possible(run.recorder, name)]


def small(workload, share):
    """Settings for a share of the work; what has none of its own is simply scaled (--quick)."""
    return settings_of(workload, share) or ((f"scale={share}",) if share != 1 else ())


def group_of(part, name, variant, recorders, settings, **how):
    reported, views = how.pop("reported", True), how.pop("views", False)
    return [Run(part, name, variant, recorder, settings, reports=reports_of(recorder, views) if reported else (), **how)
            for recorder in recorders if possible(recorder, name)]


def one_core_part(names, recorders, scale):
    """Program and collector on one core: what recording costs where nothing runs beside the program."""
    kept = [each for each in recorders if each in ("bare", "memrec", "memrec --no-objects", "memray --trace-python-allocators")]
    for name in names:
        if WORKLOADS[name].one_core:
            share = ONE_CORE_SHARE * scale
            yield group_of("one core", name, "", kept, small(WORKLOADS[name], share), share=share, cores=1, reported=False)


def reports_part(names, recorders, scale):
    """Our reports beside memray's, on traces of the same share of the work: memray's take half a minute at full size."""
    kept = [each for each in recorders if reports_of(each)]
    for name in names:
        share = REPORTS_SHARE * scale
        yield group_of("reports", name, "", kept, small(WORKLOADS[name], share), share=share)


def views_part(names, recorders, scale):
    """Pages, tables and databases beside memray's, as the reports."""
    kept = [each for each in recorders if reports_of(each, views=True)]
    for name in names:
        share = REPORTS_SHARE * scale
        yield group_of("views", name, "", kept, small(WORKLOADS[name], share), share=share, views=True)


FLAME_GRAPHS = ("memreplay flamegraph, native", "memray flamegraph, native")


def native_part(names, recorders, scale):
    """Native frames: beside our own modes without them, beside the peers that have them; flame graphs of two packages' runs."""
    kept = [each for each in recorders if each == "bare" or peers.ALL[each].ours or each in peers.NATIVE_PEERS]
    for name in (*names, "thirty"):
        graphs = FLAME_GRAPHS if name in ("forest", "tables") else ()
        yield [Run("native", name, "", recorder, (f"scale={scale}",), scale, reports=tuple(title for title in graphs if peers.REPORTS[title].of == recorder))
               for recorder in kept if possible(recorder, name)]


def beside_memray(recorders):
    return [each for each in recorders if each in ("bare", "memrec", "memray --trace-python-allocators")]


def scaling_part(names, recorders, scale):
    """Events 1, 4, 16 times; stacks from a thousand to a million."""
    kept = beside_memray(recorders)
    for times in (1, 4, 16):
        yield group_of("events", "mallocs", f"{times}x", kept, (f"scale={0.125 * times * scale}",))
        yield group_of("events", "storm", f"{times}x", kept, (f"scale={0.125 * times * scale}", "count=1"))
    for count in (1_000, 10_000, 100_000, 1_000_000):
        yield group_of("stacks", "stacks", f"{count}", kept, (f"scale={0.3 * scale}", f"count={count}"))


def threads_part(names, recorders, scale):
    """The same work from one to eight threads, with and without an interpreter's lock."""
    kept = beside_memray(recorders)
    for count in (1, 2, 4, 8):
        yield group_of("threads", "threads", f"{count}", kept, (f"scale={0.4 * scale}", f"count={count}"), reported=False)
        yield group_of("threads", "storm", f"{count}", kept, (f"scale={0.4 * scale}", f"count={count}"), reported=False)


def other_part(names, recorders, scale):
    """Random storms, an empty script, 3.15's watermark, and threads without an interpreter's lock."""
    ours = [each for each in recorders if each == "bare" or peers.ALL[each].ours and peers.ALL[each].mode]
    with_memray = [each for each in recorders if each in ours or each.startswith("memray") and peers.ALL[each].mode]
    yield group_of("random", "randoms", "", with_memray, (f"scale={scale}",))
    found = setting.interpreters()
    if "3.15" in found:
        yield group_of("interpreters", "deep", "3.15", ours, (f"scale={scale}",), python=found["3.15"], reported=False)
    free = next((each for each in ("3.15t", "3.14t", "3.13t") if each in found), None)
    for count in (1, 2, 4) if free else ():
        yield group_of("interpreters", "threads", f"{free}, {count}", ours[:2], (f"scale={0.4 * scale}", f"count={count}"),
                       python=found[free], reported=False)


def start_part(names, recorders, scale):
    """An empty script, many times."""
    kept = [each for each in recorders if each == "bare" or peers.ALL[each].mode]
    yield group_of("start", "empty", "", kept, (), reported=False)


class Part(typing.NamedTuple):
    plan: typing.Callable
    rounds: int  # at most


PARTS = {"main": Part(main_part, 99), "one core": Part(one_core_part, 3), "reports": Part(reports_part, 1), "views": Part(views_part, 1), "native": Part(native_part, 3),
         "start": Part(start_part, 15), "scaling": Part(scaling_part, 1), "threads": Part(threads_part, 3), "others": Part(other_part, 3)}
