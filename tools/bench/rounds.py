"""rounds: runs what the catalog plans, one after the other, round by round, and keeps what came out.

A peer that is slow is not asked again once its runs of a cell have taken `patience_s` together, and none gets longer than
`limit_s`: the tables tell how often each was run, and "over N" for one that was ended. Ours and bare run in every round.
"""
import json
import os
import shutil
import tempfile
import time

import catalog
import meter
import peers
import setting


REPORT_ROUNDS = 2  # a report reads a file and computes: it hardly varies


class Clock:
    """How long the bench has run, and what it tells meanwhile."""

    def __init__(self):
        self.began = time.perf_counter()

    def seconds(self):
        return time.perf_counter() - self.began

    def say(self, words):
        minutes, seconds = divmod(int(self.seconds()), 60)
        setting.say(f"{minutes:3}:{seconds:02}  {words}")


class Bench:
    def __init__(self, results, *, limit_s, patience_s):
        self.results, self.limit_s, self.patience_s = results, limit_s, patience_s
        self.clock = Clock()
        self.spent = {}  # cell -> seconds
        self.told = {}  # cell -> what its trace said the first time
        self.one_core = {sorted(os.sched_getaffinity(0))[-1]}
        meter.become_reaper()

    def part(self, name, groups, rounds):
        groups = list(groups)
        for number in range(rounds):
            for group in groups:
                turn = number % len(group)
                for run in group[turn:] + group[:turn]:  # nobody is always first
                    if self.wanted(run):
                        self.once(run, number)
            self.clock.say(f"{name}: round {number + 1} of {rounds} done")

    def wanted(self, run):
        recorder = peers.ALL[run.recorder]
        if recorder.needs in self.results.gaps or any(need in self.results.gaps for need in needs_of(run)):
            return False
        return recorder.ours or run.recorder == "bare" or self.spent.get(cell(run), 0) < self.patience_s

    def once(self, run, number):
        folder = tempfile.mkdtemp(prefix="run-", dir=setting.FOLDER)
        try:
            record = self.record(run, number, folder)
            self.results.runs.append(record)
            if record["why"] is None:
                self.ask(run, number, folder, record.get("events"))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        self.results.facts["took_s"] = self.clock.seconds()
        self.results.save()

    def record(self, run, number, folder):
        output, words = os.path.join(folder, "output"), os.path.join(folder, "said")
        os.mkdir(output)
        out = os.path.join(output, "trace")
        measured = meter.measure(peers.ALL[run.recorder].command(run.program(), out), output, words, limit_s=self.limit_s,
                                 environment=peers.ENVIRONMENT, cpus=self.one_core if run.cores == 1 else None)
        self.spent[cell(run)] = self.spent.get(cell(run), 0) + measured.wall_s
        body = said(words)
        why = self.trouble(measured, folder) or (None if body else f"no figures: {last_words(words)}")
        told = {} if why else self.trace(run, out)
        if told.get("lost"):
            why = f"{told['lost']:,} events were lost"  # a recording that is not whole is no figure
        record = {"part": run.part, "workload": run.workload, "variant": run.variant, "recorder": run.recorder, "cores": run.cores,
                  "round": number, "share": run.share, "why": why, "wall_s": measured.wall_s, "settled_s": measured.settled_s,
                  "cpu_s": measured.cpu_s}
        if why is None:
            program = measured.processes.pop(body["pid"], None)
            record.update(body_s=body["body_s"], body_cpu_s=body["body_cpu_s"], rss_bytes=body["rss_bytes"],
                          threads=program.threads if program else 1,
                          helper_bytes=max((each.rss_bytes for each in measured.processes.values()), default=0),
                          disk_most_bytes=measured.disk_bytes, disk_bytes=meter.folder_bytes(output), **told)
        title = " ".join(filter(None, (run.part, run.workload, run.variant, run.recorder)))
        self.clock.say(f"{title}: {why or '%.2f s' % record['body_s']}")
        return record

    def trace(self, run, out):
        recorder = peers.ALL[run.recorder]
        if run.part not in ("one core", "start") and cell(run) not in self.told and os.path.exists(out):
            self.told[cell(run)] = peers.told_by(recorder, out)
        return self.told.get(cell(run), {})

    def ask(self, run, number, folder, events):
        """Every report of the run's trace; of ours in the main part on one core, too. A peer's reports share its patience."""
        ours = peers.ALL[run.recorder].ours
        for title in run.reports if number < REPORT_ROUNDS else ():
            for cores in (0, 1) if ours and run.part == "main" else (0,):
                if ours or self.spent.get((*cell(run), "reports"), 0) < self.patience_s:
                    record = self.report(run, title, cores, folder)
                    record.update(round=number, events=events)
                    self.spent[(*cell(run), "reports")] = self.spent.get((*cell(run), "reports"), 0) + record["wall_s"]
                    self.results.reports.append(record)

    def report(self, run, title, cores, folder):
        out = os.path.join(folder, "report")
        measured = meter.measure(peers.REPORTS[title].command(os.path.join(folder, "output", "trace"), out), folder,
                                 os.path.join(folder, "said"), limit_s=self.limit_s, environment=peers.ENVIRONMENT,
                                 cpus=self.one_core if cores == 1 else None, interval_s=0.005)
        return {"part": run.part, "workload": run.workload, "variant": run.variant, "report": title, "cores": cores,
                "why": self.trouble(measured, folder), "wall_s": measured.wall_s, "cpu_s": measured.cpu_s, "rss_bytes": measured.rss_bytes,
                "report_bytes": os.path.getsize(out) if os.path.exists(out) else 0}

    def trouble(self, measured, folder):
        if measured.late:
            return f"took over {self.limit_s:.0f} s"
        return None if measured.status == 0 else f"exit status {measured.status}: {last_words(os.path.join(folder, 'said'))}"


def cell(run):
    return run.part, run.workload, run.variant, run.recorder, run.share, run.cores


def needs_of(run):
    return catalog.BOTH[run.workload].needs + (("storm",) if run.workload == "storm" else ())


def said(path):
    """What the workload's last line tells."""
    with open(path, errors="replace") as file:
        for line in file:
            if line.startswith("bench {"):
                return json.loads(line[len("bench "):])
    return None


def last_words(path):
    with open(path, errors="replace") as file:
        return next((line.strip()[:200] for line in reversed(file.readlines()) if line.strip()), "nothing said")
