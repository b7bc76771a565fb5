"""tables: the results as Markdown: goals with their verdicts first, then every figure, then what could not be measured.

Partial results give partial tables: a cell that was not measured is empty, one that failed says why in the list of gaps.
A document that holds the two markers keeps its own words around the tables.
"""
import catalog
import goals
import peers
from results import spread

BEGIN, END = "<!-- tables: begin (tools/bench/run --markdown) -->", "<!-- tables: end -->"
MB = 1e6
WORDS = {True: "reached", False: "**missed**", None: "not measured"}


def table(head, lines):
    lines = [[str(cell) for cell in line] for line in lines]
    if not any(any(line[1:]) for line in lines):
        return []
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(line) + " |" for line in lines), ""]


def ratio_of(results, title, name, part="main", figure="body_s"):
    """A median with its least and most; how often it was run where that is not every round."""
    found = results.ratio(title, name, part, figure=figure)
    if found:
        return f"{found.median:.2f} <small>{found.least:.2f}–{found.most:.2f}</small>" if found.count > 1 else f"{found.median:.2f} <small>once</small>"
    failed = results.failure(title, name, part)
    if not failed:
        return ""
    bare = spread([each["wall_s"] for each in results.of("bare", name, part, share=failed["share"])])
    late = failed["why"].startswith("took over") and bare
    return f"over {failed['wall_s'] / bare.median:.0f}" if late else "failed"


def number(spread, scale=1.0, form="{:.1f}"):
    return form.format(spread.median / scale) if spread else ""


def measured(results, part="main"):
    names = {each["workload"] for each in results.runs if each["part"] == part}
    titles = {each["recorder"] for each in results.runs if each["part"] == part}
    return [name for name in catalog.BOTH if name in names], [title for title in peers.ALL if title in titles and title != "bare"]


def goal_tables(results):
    lines = []
    for workload, (every, without, one_core) in goals.rows(results):
        peer = goals.best_peer(results, workload.name)
        lines.append([workload.title, *(part for each in (every, without, one_core) for part in (
            each.measured and f"{each.measured} of {each.limit}: {WORDS[each.reached]}",)), f"{peer[0]:.2f} ({peer[1]})" if peer else ""])
    head = ["body ÷ bare", "every object", "`--no-objects`", "every object, one core", "cheapest peer"]
    yield from ["### Goals", "", *table(head, lines)]
    yield from table(["goal", "limit", "measured", "verdict"],
                     [[each.goal, each.limit, each.measured, WORDS[each.reached]] for each in goals.others(results)])


def verdict_counts(results):
    every = [each for _, three in goals.rows(results) for each in three] + goals.others(results)
    return {words: sum(each.reached is which for each in every) for which, words in WORDS.items()}


def cost_tables(results):
    names, titles = measured(results)
    for heading, figure in (("Wall time of the script's body ÷ bare", "body_s"), ("Wall time of the whole process ÷ bare", "wall_s"),
                            ("CPU time of everything that was started ÷ bare", "cpu_s")):
        lines = [[catalog.WORKLOADS[name].title, number(results.figure(figure, "bare", name), form="{:.2f} s"),
                  *(ratio_of(results, title, name, figure=figure) for title in titles)] for name in names]
        yield from [f"### {heading}", "", *table(["", "bare", *titles], lines)]
    yield from ["### Memory: extra peak RSS of the program + RSS of the largest helper, MB", ""]
    lines = [[catalog.WORKLOADS[name].title, number(results.figure("rss_bytes", "bare", name), MB),
              *(memory_of(results, title, name) for title in titles)] for name in names]
    yield from table(["", "bare", *titles], lines)


def memory_of(results, title, name):
    extra, helper = results.extra(title, name), results.figure("helper_bytes", title, name)
    if not extra:
        return ""
    return f"{extra.median / MB:.1f}" + (f" + {helper.median / MB:.1f}" if helper.median else "")


def disk_table(results):
    names, titles = measured(results)
    titles = [title for title in titles if title != "tracemalloc"]
    lines = [[catalog.WORKLOADS[name].title, *(disk_of(results, title, name) for title in titles)] for name in names]
    yield from ["### On disk: MB at exit (most while running); bytes an event", "", *table(["", *titles], lines)]
    names, titles = measured(results, "random")
    lines = [[catalog.BOTH[name].title, *(disk_of(results, title, name, "random") for title in titles)] for name in names]
    yield from table(["", *titles], lines)


def disk_of(results, title, name, part="main"):
    runs = results.of(title, name, part)
    if not runs:
        return ""
    end, most = results.figure("disk_bytes", title, name, part), results.figure("disk_most_bytes", title, name, part)
    events = runs[0].get("events")
    share = f" (at a share of {runs[0]['share']:g})" if runs[0]["share"] != max(each["share"] for each in results.chosen(results.runs, part=part, workload=name)) else ""
    return f"{end.median / MB:.2f} ({most.median / MB:.2f})" + (f"; {end.median / events:.2f} B" if events else "") + share


def one_core_table(results):
    names, titles = measured(results, "one core")
    lines = [[catalog.WORKLOADS[name].title, *(ratio_of(results, title, name, "one core") for title in titles)] for name in names]
    yield from ["### Everything pinned to one core: body ÷ bare", "", *table(["", *titles], lines)]


def native_tables(results):
    names, titles = measured(results, "native")
    lines = [[catalog.BOTH[name].title, *(ratio_of(results, title, name, "native") for title in titles)] for name in names]
    yield from ["### With native frames: body ÷ bare", "", *table(["", *titles], lines)]
    yield from ["### Flame graphs with native frames: seconds, million events a second, RSS in MB", "",
                *report_table(results, "native", [(title, 0) for title in catalog.FLAME_GRAPHS])]


def replay_tables(results):
    ours = [(title, cores) for title, report in peers.REPORTS.items() if peers.ALL[report.of].ours and report.asks in ("totals", "peak") for cores in (0, 1)]
    yield from ["### Reports of full traces: seconds, million events a second, RSS in MB", "", *report_table(results, "main", ours)]
    yield from ["### Reports beside memray's, every object, a quarter of the work: seconds, million events a second, RSS in MB", "",
                *report_table(results, "reports", [(title, 0) for title, report in peers.REPORTS.items() if report.asks not in ("view", "native")])]
    yield from ["### Views beside memray's, every object, a quarter of the work: seconds, million events a second, RSS in MB", "",
                *report_table(results, "views", [(title, 0) for title in dict.fromkeys(title for pair in peers.VIEWS for title in pair)])]


def report_table(results, part, columns):
    names, _ = measured(results, part)
    lines = [[catalog.BOTH[name].title, events_of(results, name, part), *(report_of(results, title, name, part, cores) for title, cores in columns)]
             for name in names]
    return table(["", "M events", *(title + (", one core" if cores else "") for title, cores in columns)], lines)


def report_of(results, title, name, part, cores):
    wall, speed, rss = (results.report(title, name, part, cores=cores), results.speed(title, name, part, cores=cores),
                        results.report(title, name, part, cores=cores, figure="rss_bytes"))
    if wall:
        return f"{wall.median:.2f} s, {number(speed)} M, {rss.median / MB:.0f} MB"
    failed = results.chosen(results.reports, part=part, workload=name, report=title, cores=cores)
    return f"over {failed[-1]['wall_s']:.0f} s" if failed and failed[-1]["why"].startswith("took over") else "failed" if failed else ""


def events_of(results, name, part="main", variant=""):
    runs = [each for each in results.of("memrec", name, part, variant) if each.get("events")]
    return f"{runs[0]['events'] / 1e6:.1f}" if runs else ""


def scaling_tables(results):
    for part, heading in (("events", "1, 4, 16 times the events"), ("stacks", "A thousand to a million distinct stacks"),
                          ("threads", "One to eight threads, the same work in all"), ("interpreters", "Other interpreters")):
        yield from [f"### {heading}", "", *scaling_table(results, part)]


def scaling_table(results, part):
    cells = dict.fromkeys((each["workload"], each["variant"]) for each in results.runs if each["part"] == part)
    lines = []
    for name, variant in sorted(cells, key=lambda each: each[0]):
        line = [f"{name}, {variant}", number(results.figure("body_s", "bare", name, part, variant), form="{:.2f} s"), events_of(results, name, part, variant)]
        for title in ("memrec", "memray --trace-python-allocators"):
            line.append(number(results.ratio(title, name, part, variant), form="{:.2f}"))
            if title == "memrec":
                cpu = goals.event_cpu(results, name, part, variant)
                line.append("" if cpu is None else f"{cpu:.1f}")
            line += [number(results.extra(title, name, part, variant), MB),
                     number(results.figure("disk_bytes", title, name, part, variant), MB, "{:.2f}")]
        for title in ("memreplay peak", "memray flamegraph"):
            line += [number(results.report(title, name, part, variant), form="{:.2f}"),
                     number(results.report(title, name, part, variant, figure="rss_bytes"), MB, "{:.0f}")]
        lines.append(line)
    return table(["", "bare", "M events", "memrec ÷ bare", "CPU an event, ns", "extra MB", "trace MB", "memray, every object", "extra MB", "trace MB",
                  "memreplay peak s", "RSS MB", "memray flamegraph s", "RSS MB"], lines)


def start_table(results):
    _, titles = measured(results, "start")
    bare = results.figure("wall_s", "bare", "empty", "start")
    lines = [["an empty script", number(bare, 0.001, "{:.0f} ms"),
              *(number(results.extra(title, "empty", "start", figure="wall_s"), 0.001, "{:+.0f} ms") for title in titles)]]
    yield from ["### Start and end", "", *table(["", "bare", *titles], lines)]


def gap_list(results):
    lines = [f"- {what}: {why}" for what, why in sorted(results.gaps.items())]
    seen = dict.fromkeys((each["part"], each["workload"], each["variant"], each["recorder"]) for each in results.runs if each["why"])
    for part, name, variant, title in seen:
        failed = results.failure(title, name, part, variant)
        if failed:
            lines.append(f"- {title}, {name}{' ' + variant if variant else ''} ({part}): {failed['why']}")
    for each in results.reports:
        if each["why"]:
            lines.append(f"- {each['report']}, {each['workload']}{' ' + each['variant'] if each['variant'] else ''} ({each['part']}): {each['why']}")
    if any(each["workload"] == "storm" for each in results.runs):
        lines.append("- memray, Fil and tracemalloc record Python programs only: nothing of theirs on the C storm")
    yield from ["### Gaps", "", *(dict.fromkeys(lines) or ["- none"]), ""]


def opening(results):
    facts, machine = results.facts, results.facts["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    rounds = max((each["round"] + 1 for each in results.runs if each["part"] == "main"), default=0)
    counts = ", ".join(f"{count} {words.strip('*')}" for words, count in verdict_counts(results).items())
    yield from [f"{facts['started']}, {facts['took_s'] / 60:.0f} minutes, {rounds} rounds{'' if facts['finished'] else ' (**not finished: partial**)'}"
                f"{', scale %g' % facts['scale'] if facts['scale'] != 1 else ''}; memrec {machine['commit']}.",
                f"{machine['processor']}, {machine['cores']} cores, {machine['memory_bytes'] / 1e9:.0f} GB, Linux {machine['kernel']}, "
                f"Python {machine['python']}, {machine['compiler']}; {versions}.",
                f"Load when it began: {facts['load']}. Goals: {counts}.", ""]


def markdown(results):
    parts = (opening, goal_tables, cost_tables, one_core_table, disk_table, replay_tables, scaling_tables, native_tables, start_table, gap_list)
    lines = [line for part in parts for line in part(results)]
    return "\n".join(without_empty(lines)).rstrip() + "\n"


def without_empty(lines):
    """Leaves out headings below which nothing stands, and all but one of the empty lines that follow each other."""
    kept = [""]
    for place, line in enumerate(lines):
        following = next((other for other in lines[place + 1:] if other), "### ")
        if line.startswith("### ") and following.startswith("### ") or not line and not kept[-1]:
            continue
        kept.append(line)
    return kept[1:]


def put_into(path, text):
    """Writes the tables between the markers of a document, or as a document of their own."""
    try:
        with open(path) as file:
            whole = file.read()
    except FileNotFoundError:
        whole = ""
    if BEGIN in whole and END in whole:
        text = whole[:whole.index(BEGIN) + len(BEGIN)] + "\n" + text + whole[whole.index(END):]
    with open(path, "w") as file:
        file.write(text)
