"""goals: what the project wants to reach, each with what was measured and whether it holds.

A goal that has several cells is judged by its worst one, which is named. What was not measured is told so: a gap is no pass.
The limits stand here and in the catalog (ratios of a workload's row), nowhere else.
"""
import typing

import catalog
import peers

MB = 1e6
MIB = float(1 << 20)
START_SECONDS = 0.040
PROGRAM_BYTES, THREAD_BYTES, NODE_BYTES = 12 * MB, 1 * MB, 40
COLLECTOR_BYTES = 64 * MB
HEAVY_SHARE, ANY_SHARE = 0.25, 0.5  # of memray's bytes
HEAVY_EVENTS = 1e6  # in the mode in question: with --no-objects, calls are no heavy workload
RANDOM_EVENT_BYTES = 2.0
REPLAY_SPEED, REPLAY_SPEED_ONE_CORE = 20.0, 12.0  # million events a second
REPLAY_BLOCK_BYTES, REPLAY_NODE_BYTES, REPLAY_BYTES = 100, 64, 30 * MB
MILLION_SECONDS, MILLION_BYTES = 2.0, 200 * MB
VIEW_TIME, VIEW_MEMORY = 1 / 5, 1 / 3  # of memray's
NATIVE_RATIO = 1.3  # of the same mode without native frames
NATIVE_GRAPHS = {"forest": (3.0, 300 * MB), "tables": (2.0, 300 * MB)}
SAME_MODE = {"memrec": "memray --trace-python-allocators", "memrec --no-objects": "memray"}


class Verdict(typing.NamedTuple):
    goal: str
    limit: str
    measured: str  # with the cell that it is of
    reached: typing.Optional[bool]  # None: not measured


def worst(goal, limit, cells, shown, most=True):
    """Judges by the worst of cells [(value ÷ limit if `most`, else limit ÷ value; name; value)]; above 1 misses."""
    cells = [each for each in cells if each is not None]
    if not cells:
        return Verdict(goal, limit, "", None)
    missed = [each for each in cells if each[0] > 1]
    over, name, value = max(cells, key=lambda each: each[0])
    words = f"{shown(value)} ({name})" + (f"; {len(missed)} of {len(cells)} miss" if missed and len(cells) > 1 else "")
    return Verdict(goal, limit, words, over <= 1)


def against(limit, name, spread):
    return spread and (spread.median / limit, name, spread.median)


def at_least(limit, name, spread):
    return spread and (limit / spread.median, name, spread.median)


def rows(results):
    """(workload, [Verdict of every object, --no-objects, one core]) of each workload with a row in the table of goals."""
    for name, workload in catalog.WORKLOADS.items():
        if workload.every:
            yield workload, [ratio(results, "memrec", name, "main", workload.every),
                             ratio(results, "memrec --no-objects", name, "main", workload.without),
                             ratio(results, "memrec", name, "one core", workload.one_core)]


def ratio(results, recorder, name, part, limit):
    goal, found = f"{recorder} {name} {part}", results.ratio(recorder, name, part)
    if not found and results.failure(recorder, name, part):
        return Verdict(goal, f"{limit:.2f}", "failed", False)
    return Verdict(goal, f"{limit:.2f}", f"{found.median:.2f}" if found else "", found and found.median <= limit)


def best_peer(results, name, figure="body_s"):
    """(ratio, title) of the peer that costs least on a workload; None where none was measured."""
    found = [(results.ratio(title, name, figure=figure), title) for title, each in peers.ALL.items() if not each.ours and title != "bare"]
    return min(((one.median, title) for one, title in found if one), default=None)


def others(results):
    """The goals beside the table's rows."""
    return [peers_beaten(results), depth_on_315(results), program_memory(results), memory_growth(results), collector_memory(results),
            start(results), *trace_sizes(results), random_size(results), *replay_speeds(results), replay_memory(results),
            *million_stacks(results), *linear(results), *ten_times(results), *views(results), *convoys(results), *native(results)]


def peers_beaten(results):
    cells = []
    for name in catalog.WORKLOADS:
        ours, peer = results.ratio("memrec", name), best_peer(results, name)
        if ours and peer:
            cells.append((ours.median / peer[0], f"{name}, beside {peer[1]}", (ours.median, peer[0])))
    return worst("every object costs less than any peer's cheapest mode", "≤ best peer", cells, lambda two: "%.2f against %.2f" % two)


def depth_on_315(results):
    return worst("depth 100–400 on CPython 3.15, every object", "≤ 1.4",
                 [against(1.4, "3.15", results.ratio("memrec", "deep", "interpreters", "3.15"))], "{:.2f}".format)


def program_memory(results):
    cells = []
    for name in catalog.WORKLOADS:
        extra, runs = results.extra("memrec", name), results.of("memrec", name)
        if extra:
            limit = PROGRAM_BYTES + THREAD_BYTES * max(each["threads"] for each in runs) + NODE_BYTES * runs[0].get("stacks", 0)
            cells.append((extra.median / limit, name, (extra.median / MB, limit / MB)))
    return worst("extra RSS of the program", "≤ 12 MB + 1 MB a thread + 40 B a stack node", cells, lambda two: "%.1f of %.1f MB" % two)


def memory_growth(results):
    cells = []
    for name in ("mallocs", "storm"):
        least, most = (results.extra("memrec", name, "events", times) for times in ("1x", "16x"))
        if least and most:
            grown = most.median - least.median
            cells.append((grown / (2 * MB), name, grown / MB))
    return worst("it does not grow with events (16 times as many)", "≤ 2 MB, noise", cells, "{:+.1f} MB".format)


def collector_memory(results):
    most = {}
    for run in results.runs:
        if peers.ALL[run["recorder"]].ours and run["why"] is None:
            most[run["workload"]] = max(most.get(run["workload"], 0), run["helper_bytes"])
    return worst("RSS of the collector", "< 64 MB", [(rss / COLLECTOR_BYTES, name, rss / MB) for name, rss in most.items()], "{:.1f} MB".format)


def start(results):
    extra = results.extra("memrec", "empty", "start", figure="wall_s")
    return worst("an empty script", "≤ 40 ms above bare", [against(START_SECONDS, "whole process", extra)], lambda value: f"{value * 1000:.0f} ms")


def trace_sizes(results):
    for kind, share, heavy in (("a million events or more", HEAVY_SHARE, True), ("any workload", ANY_SHARE, False)):
        for figure, when in (("disk_bytes", "at exit"), ("disk_most_bytes", "while running")):
            cells = []
            for ours, theirs in SAME_MODE.items():
                for name in catalog.WORKLOADS:
                    one, other = results.figure(figure, ours, name), results.figure("disk_bytes", theirs, name)
                    if one and other and (not heavy or results.of(ours, name)[0]["events"] >= HEAVY_EVENTS * results.facts["scale"]):
                        cells.append((one.median / other.median / share, f"{name}, {ours}", one.median / other.median))
            yield worst(f"trace {when}, {kind}, of memray's at exit in the same mode", f"≤ {share}", cells, "{:.2f}".format)


def random_size(results):
    cells = []
    for recorder in SAME_MODE:
        for name, part, variant in (("randoms", "random", ""), ("storm", "main", "")):
            for run in results.of(recorder, name, part, variant)[:1]:
                weight = run["disk_bytes"] / max(run["events"], 1)
                cells.append((weight / RANDOM_EVENT_BYTES, f"{name}, {recorder}", weight))
    return worst("bytes an event on a random storm", "≤ 2", cells, "{:.2f}".format)


def replay_speeds(results):
    for cores, limit in ((0, REPLAY_SPEED), (1, REPLAY_SPEED_ONE_CORE)):
        cells = [at_least(limit, f"{title.split()[1]} of {name}", results.speed(title, name, cores=cores))
                 for name, workload in catalog.WORKLOADS.items() if workload.heavy and name != "stacks"
                 for title in ("memreplay peak", "memreplay summary")]
        yield worst("replay, allocation-heavy workloads, " + ("one core" if cores else "all cores"), f"≥ {limit:.0f} M events/s", cells, "{:.1f} M".format)


def replay_memory(results):
    cells = []
    for name in catalog.WORKLOADS:
        runs = results.of("memrec", name)
        if not runs or "stacks" not in runs[0]:
            continue
        limit = REPLAY_BYTES + REPLAY_BLOCK_BYTES * runs[0]["live_blocks"] + REPLAY_NODE_BYTES * runs[0]["stacks"]
        for title in ("memreplay peak", "memreplay summary"):
            rss = results.report(title, name, figure="rss_bytes")
            cells.append(rss and (rss.median / limit, f"{title.split()[1]} of {name}", (rss.median / MB, limit / MB)))
    return worst("RSS of a replay", "≤ 100 B a live block + 64 B a node + 30 MB", cells, lambda two: "%.0f of %.0f MB" % two)


def million_stacks(results):
    wall, rss = (results.report("memreplay peak", "stacks", "stacks", "1000000", figure=figure) for figure in ("wall_s", "rss_bytes"))
    yield worst("peak of a million stacks", "< 2 s", [against(MILLION_SECONDS, "all cores", wall)], "{:.2f} s".format)
    yield worst("its RSS", "< 200 MB", [against(MILLION_BYTES, "peak", rss)], lambda value: f"{value / MB:.0f} MB")


def linear(results):
    least, most = (results.speed("memreplay peak", "storm", "events", times) for times in ("1x", "16x"))
    slower = [(least.median / most.median / 1.25, "16 times the events", least.median / most.median)] if least and most else []
    yield worst("replay linear in events: time an event, 12.5 M to 200 M", "≤ 1.25 times", slower, "{:.2f} times".format)
    least, most = (results.report("memreplay peak", "storm", "events", times, figure="rss_bytes") for times in ("1x", "16x"))
    larger = [((most.median - least.median) / (4 * MB), "16 times the events", (most.median - least.median) / MB)] if least and most else []
    yield worst("at constant memory", "≤ 4 MB more, noise", larger, "{:+.1f} MB".format)


def ten_times(results):
    for ours, theirs in (("memreplay summary", "memray stats"), ("memreplay peak", "memray flamegraph"), ("memreplay leaks", "memray flamegraph --leaks")):
        cells = []
        for name, workload in catalog.WORKLOADS.items():
            one, other = results.report(ours, name, "reports"), results.report(theirs, name, "reports")
            if one and other and workload.heavy:
                cells.append((10 * one.median / other.median, name, other.median / one.median))
        yield worst(f"{ours} beside {theirs}, allocation-heavy workloads", "≥ 10 times as fast", cells, "{:.0f} times".format)


def views(results):
    """Worst cells of both figures, one pair after another."""
    for ours, theirs in peers.VIEWS:
        for figure, most, what in (("wall_s", VIEW_TIME, "time"), ("rss_bytes", VIEW_MEMORY, "memory")):
            cells = []
            for name in catalog.WORKLOADS:
                one, other = (results.report(title, name, "views", figure=figure) for title in (ours, theirs))
                if one and other:
                    cells.append((one.median / other.median / most, name, one.median / other.median))
            yield worst(f"{what} of {ours} beside {theirs}", f"≤ 1/{1 / most:.0f}", cells, lambda share: "1/%.1f" % (1 / share))


def beside_peers(results, mode, name):
    """A mode of ours with native frames beside the cheapest peer that has them; these record what reaches malloc."""
    ours = results.ratio(mode, name, "native")
    theirs = [(found.median, peer) for peer in peers.NATIVE_PEERS for found in [results.ratio(peer, name, "native")] if found]
    if not ours or not theirs:
        return None
    least, peer = min(theirs)
    return ours.median / least, f"{name}, beside {peer}", (ours.median, least)


def native(results):
    """Native frames: what they add to the same mode, beside the peers that have them, and the flame graphs."""
    cells = []
    for plain in ("memrec", "memrec --no-objects"):
        mode = f"{plain} --native"
        one, other = (results.ratio(each, "thirty", "native") for each in (mode, plain))
        cells.append(one and other and (one.median / other.median / NATIVE_RATIO, mode, one.median / other.median))
    yield worst("native frames at depth 30: body beside the same mode without", f"≤ {NATIVE_RATIO}", cells, "{:.2f}".format)
    for mode, what in (("memrec --no-objects --native", "what"), ("memrec --native", "every object, not only what")):
        cells = [beside_peers(results, mode, name) for name in (*catalog.WORKLOADS, "thirty")]
        yield worst(f"{what} reaches malloc, with native frames: cheaper than any peer's", "≤ best peer", cells, lambda two: "%.2f against %.2f" % two)
    for name, (seconds, most) in NATIVE_GRAPHS.items():
        wall, rss = (results.report("memreplay flamegraph, native", name, "native", figure=figure) for figure in ("wall_s", "rss_bytes"))
        title = f"flame graph with native frames, {catalog.WORKLOADS[name].title}"
        yield worst(title, f"≤ {seconds:.0f} s", [against(seconds, name, wall)], "{:.2f} s".format)
        yield worst(f"its RSS, {catalog.WORKLOADS[name].title}", f"≤ {most / MB:.0f} MB", [against(most, name, rss)], lambda value: f"{value / MB:.0f} MB")


def event_cpu(results, name, part, variant):
    """Nanoseconds of CPU time that an event costs: what recording adds to the program and what the collector takes."""
    return per_event(results, name, part, variant, results.extra("memrec", name, part, variant, figure="cpu_s"))


def event_wall(results, name, part, variant, count):
    """Nanoseconds by which an event keeps the cores of `count` threads longer: the wall time added, times these cores. With one
    thread the collector works on a core that is not counted, with as many as cores or more on theirs."""
    wall = per_event(results, name, part, variant, results.extra("memrec", name, part, variant, figure="body_s"))
    return wall and wall * min(count, results.facts["machine"]["cores"])


def per_event(results, name, part, variant, extra):
    runs = [each for each in results.of("memrec", name, part, variant) if each.get("events")]
    return extra.median / runs[0]["events"] * 1e9 if extra and runs else None


def convoys(results):
    """Four threads beside one. A lock that everybody queues for costs CPU time where they spin and wall time where they sleep: the
    larger one is judged."""
    free = sorted({each["variant"].split(",")[0] for each in results.runs if each["part"] == "interpreters" and "t," in each["variant"]})
    kinds = [("C storm", "storm", "threads", "{}")] + [(f"free-threaded {tag}", "threads", "interpreters", tag + ", {}") for tag in free]
    for title, name, part, variant in kinds:
        (four, four_wall), (one, one_wall) = ((event_cpu(results, name, part, variant.format(count)),
                                               event_wall(results, name, part, variant.format(count), count)) for count in (4, 1))
        cells = []
        if None not in (four, four_wall, one, one_wall) and max(one, one_wall) > 0:
            four, one = max(four, four_wall), max(one, one_wall)
            cells = [(four / one / 2, "by wall time alone %.1f against %.1f" % (four_wall, one_wall), (four, one))]
        yield worst(f"{title}: core time of an event, 4 threads beside one", "≤ 2 times", cells, lambda two: "%.1f against %.1f ns" % two)
    if not free:
        yield Verdict("free-threaded Python: core time of an event, 4 threads beside one", "≤ 2 times", "", None)
