"""The goals of video, S1 to S13, and how they came out. In: costs. Out: a table with a verdict for
each, beside what it is measured against, and JSON.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from rich.table import Table

from load_tests.benchmarks.video.cost import Cost

GOALS: Mapping[str, str] = {
    "S1": "analysis of every frame beside a bare decode",
    "S2": "analysis beside PySceneDetect, which finds cuts only",
    "S3": "analysis of keyframes and sound beside a bare decode",
    "S4": "two chunks at once beside one, one thread each",
    "S5": "a finished clip beside one plain encode",
    "S6": "a finished clip beside MoviePy, and beside cut, reframe, caption",
    "S7": "clips through Ray beside `xargs -P2` of the same commands",
    "S8": "two aspects in one graph beside two runs",
    "S9": "karaoke captions beside none",
    "S10": "a cut without captions or reframing beside an encode of it",
    "S11": "a whole job over HTTP beside the length of its recording",
    "S12": "memory of workers: a long recording beside a short one",
    "S13": "a job that recognises the speech itself beside the length of its recording",
}
Measure = Literal["cpu", "wall"]


@dataclass(frozen=True, slots=True)
class GoalRow:
    """One comparison. `ours` and `theirs` are in `unit`; without a bound it is informational. `why`
    says why there is nothing to judge, such as "not built"."""

    goal: str
    what: str
    baseline: str
    ours: float
    theirs: float | None = None
    unit: str = "s"
    at_most: float | None = None
    at_least: float | None = None
    why: str = ""

    @property
    def ratio(self) -> float:
        """Ours by theirs; where there is nothing to divide by, ours itself."""
        if self.theirs is None:
            return self.ours
        return self.ours / self.theirs if self.theirs else math.nan

    @property
    def is_judged(self) -> bool:
        return not self.why and (self.at_most is not None or self.at_least is not None)

    @property
    def met(self) -> bool:
        """What is not a number meets nothing."""
        low = self.at_least is None or self.ratio >= self.at_least
        return low and (self.at_most is None or self.ratio <= self.at_most)

    @property
    def target(self) -> str:
        bounds = ((">=", self.at_least), ("<=", self.at_most))
        return " and ".join(f"{sign} {bound:g}" for sign, bound in bounds if bound is not None)

    @property
    def verdict(self) -> str:
        if self.why:
            return self.why
        return ("met" if self.met else "MISSED") if self.is_judged else ""

    def to_dict(self) -> dict[str, object]:
        """For JSON, which knows no NaN."""
        numbers = {"ratio": self.ratio, "ours": self.ours}
        finite = {name: x if math.isfinite(x) else None for name, x in numbers.items()}
        return {**asdict(self), **finite, "verdict": self.verdict}


@dataclass(frozen=True, slots=True)
class ContenderPair:
    """Two contenders of one goal, by name; only the measure `by` is judged."""

    goal: str
    what: str
    ours: str
    theirs: str
    baseline: str
    by: Measure = "cpu"
    at_most: float | None = None
    at_most_wall: float | None = None

    def rows(self, costs: Mapping[str, Cost]) -> list[GoalRow]:
        ours, theirs = costs[self.ours], costs[self.theirs]
        bounds: dict[str, float | None] = {"cpu": None, "wall": self.at_most_wall}
        bounds[self.by] = self.at_most
        measures = (("CPU", "cpu", "cpu_s"), ("wall", "wall", "wall_s"))
        return [
            GoalRow(
                self.goal,
                f"{self.what}, {shown}",
                self.baseline,
                getattr(ours, field),
                getattr(theirs, field),
                at_most=bounds[measure],
            )
            for shown, measure, field in measures
        ]


def select_contenders(pairs: Iterable[ContenderPair]) -> set[str]:
    """The contenders that these compare."""
    return {name for pair in pairs for name in (pair.ours, pair.theirs)}


def list_missed(rows: Sequence[GoalRow]) -> list[GoalRow]:
    return [row for row in rows if row.is_judged and not row.met]


def build_table(rows: Sequence[GoalRow]) -> Table:
    table = Table("goal", "ours", "beside", "ours", "theirs", "ratio", "target", "")
    for row in rows:
        table.add_row(*_cells(row))
    return table


def build_markdown(rows: Sequence[GoalRow]) -> str:
    """The same table for docs/benchmarks.md."""
    lines = ["| goal | ours | beside | ours | theirs | ratio | target | |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    lines += ["| " + " | ".join(_cells(row)) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def summarize(rows: Sequence[GoalRow]) -> str:
    judged, lost = [row for row in rows if row.is_judged], list_missed(rows)
    summary = f"{len(judged) - len(lost)} of {len(judged)} targets met"
    if lost:
        summary += f"; MISSED: {', '.join(f'{row.goal} ({row.what})' for row in lost)}"
    unjudged = [f"{row.goal} {row.why}" for row in rows if row.why]
    return "; ".join([summary, *unjudged])


def _cells(row: GoalRow) -> tuple[str, ...]:
    theirs = "" if row.theirs is None else _shown(row.theirs, row.unit)
    ours, ratio = ("", "") if row.why else (_shown(row.ours, row.unit), _shown(row.ratio))
    return (row.goal, row.what, row.baseline, ours, theirs, ratio, row.target, row.verdict)


def _shown(value: float, unit: str = "") -> str:
    number = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{number} {unit}".rstrip()
