"""results: the samples of a run: flat records, saved after each, and the medians that everything else is told from.

A record is one run of one command ("runs"), or one report asked of a trace ("reports"); what could not be measured is in
"gaps" with its reason. A ratio compares a run with the bare run of the same round and share, so that what the machine did
meanwhile cancels. Written as JSON: part, workload, variant, recorder, cores, round, then the figures, units in their names.
"""
import json
import os
import statistics
import typing


class Spread(typing.NamedTuple):
    median: float
    least: float
    most: float
    count: int


def spread(values):
    values = [value for value in values if value is not None]
    return Spread(statistics.median(values), min(values), max(values), len(values)) if values else None


class Results:
    def __init__(self, path=None):
        self.path = path
        self.facts, self.gaps, self.runs, self.reports = {}, {}, [], []

    @classmethod
    def load(cls, path):
        results = cls()
        with open(path) as file:
            told = json.load(file)
        results.facts, results.gaps, results.runs, results.reports = (told[key] for key in ("facts", "gaps", "runs", "reports"))
        return results

    def save(self):
        if not self.path:
            return
        with open(f"{self.path}.new", "w") as file:
            json.dump({"schema": "memrec.bench/1", "facts": self.facts, "gaps": self.gaps, "runs": self.runs, "reports": self.reports},
                      file, indent=1)
        os.replace(f"{self.path}.new", self.path)

    def chosen(self, records, **wanted):
        return [each for each in records if all(each.get(key) == value for key, value in wanted.items())]

    def of(self, recorder, workload, part="main", variant="", **wanted):
        """The runs of a cell that went well."""
        return [each for each in self.chosen(self.runs, part=part, workload=workload, variant=variant, recorder=recorder, **wanted)
                if each["why"] is None]

    def failure(self, recorder, workload, part="main", variant=""):
        """(why, the least that it would have been) of a cell that never went well, else None."""
        if self.of(recorder, workload, part, variant):
            return None
        failed = self.chosen(self.runs, part=part, workload=workload, variant=variant, recorder=recorder)
        return failed[-1] if failed else None

    def share(self, recorder, workload, part="main", variant=""):
        runs = self.chosen(self.runs, part=part, workload=workload, variant=variant, recorder=recorder)
        return runs[0]["share"] if runs else None

    def pairs(self, figure, recorder, workload, part, variant):
        """(figure, figure of the bare run of that round and share) in every round that has both."""
        bare = {(each["round"], each["share"]): each for each in self.of("bare", workload, part, variant)}
        for each in self.of(recorder, workload, part, variant):
            other = bare.get((each["round"], each["share"]))
            if other and each.get(figure) is not None and other.get(figure) is not None:
                yield each[figure], other[figure]

    def ratio(self, recorder, workload, part="main", variant="", figure="body_s"):
        return spread([one / other for one, other in self.pairs(figure, recorder, workload, part, variant) if other])

    def extra(self, recorder, workload, part="main", variant="", figure="rss_bytes"):
        return spread([one - other for one, other in self.pairs(figure, recorder, workload, part, variant)])

    def figure(self, figure, recorder, workload, part="main", variant=""):
        whole = self.of(recorder, workload, part, variant)
        if recorder == "bare" and whole:
            whole = [each for each in whole if each["share"] == max(one["share"] for one in whole)]
        return spread([each.get(figure) for each in whole])

    def report(self, title, workload, part="main", variant="", cores=0, figure="wall_s"):
        return spread([each.get(figure) for each in self.chosen(
            self.reports, part=part, workload=workload, variant=variant, report=title, cores=cores) if each["why"] is None])

    def speed(self, title, workload, part="main", variant="", cores=0):
        """Events a second, in millions."""
        return spread([each["events"] / each["wall_s"] / 1e6 for each in self.chosen(
            self.reports, part=part, workload=workload, variant=variant, report=title, cores=cores)
            if each["why"] is None and each.get("events")])
