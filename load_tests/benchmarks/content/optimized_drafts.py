"""What optimisation makes of drafts: gains, harm, what is kept, what it costs.

In: drafts, an embedder or none. Out: measurements with targets. Runs as the Text deployment does,
in this process and on this thread.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from time import process_time
from typing import Any

import numpy as np

from deployments.content.optimization.kept_items import KeptItems
from deployments.content.optimization.operation import PostOptimization
from deployments.content.optimization.task import GOALS, KEEPABLE, OptimizationTask
from deployments.text.operation import AnalyzedText
from load_tests.benchmarks.common.measurement import Measurement
from load_tests.benchmarks.content.drafts import PlantedDraft
from load_tests.benchmarks.content.plain_rules import optimize_plainly
from training.heads.embedding import LocalEmbedder

PART = "optimisation"
_SAME = 1e-9
Answer = Mapping[str, Any]


class DraftOptimizer:
    """Optimises drafts one after the other, by rules. Without an embedder no cosine is known."""

    def __init__(self, embedder: LocalEmbedder | None) -> None:
        self._embedder = embedder
        self._operation = PostOptimization()

    def run(self, draft: PlantedDraft, text: str, goals: Sequence[str] = GOALS) -> Answer:
        task = OptimizationTask(text, draft.platform, tuple(goals), keywords=draft.keywords)
        result = self._operation.analyze(AnalyzedText(text, "en"), task.options(), None)
        value: Answer = result.value
        return value

    def judge(self, draft: PlantedDraft, texts: Sequence[str]) -> list[dict[str, float]]:
        """The scores of texts as they are, by goal."""
        return [
            {goal: score["before"] for goal, score in self.run(draft, text)["goals"].items()}
            for text in texts
        ]

    def closeness(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """The cosine of each pair; none without an embedder."""
        if self._embedder is None:
            return []
        vectors = self._embedder.embed_all([text for pair in pairs for text in pair])
        return [float(row) for row in np.sum(vectors[::2] * vectors[1::2], axis=1)]


@dataclass(frozen=True, slots=True)
class OptimizedDraft:
    """What came of one draft; `again` of optimising the result. `cpu_s` of the first."""

    draft: PlantedDraft
    answer: Answer
    again: str
    cpu_s: float

    @property
    def deltas(self) -> list[float]:
        return [goal["delta"] for goal in self.answer["goals"].values() if goal["supported"]]


def optimize_drafts(
    optimizer: DraftOptimizer, drafts: Sequence[PlantedDraft]
) -> list[OptimizedDraft]:
    optimizer.run(drafts[0], drafts[0].text + " ")  # loads the lexicon and the head
    found = []
    for draft in drafts:
        since = process_time()
        answer = optimizer.run(draft, draft.text)
        cpu_s = process_time() - since
        again = optimizer.run(draft, answer["text"])["text"]
        found.append(OptimizedDraft(draft, answer, again, cpu_s))
    return found


def measure_optimization(
    optimizer: DraftOptimizer, done: Sequence[OptimizedDraft]
) -> list[Measurement]:
    gains = [statistics.mean(each.deltas) for each in done]
    falls = sum(min(each.deltas) < -_SAME for each in done)
    kept = sum(
        KeptItems(each.draft.text, KEEPABLE, ()).are_in(each.answer["text"]) for each in done
    )
    changes = [_change(each.answer["text"], each.again) for each in done]
    cosines = optimizer.closeness([(each.draft.text, each.answer["text"]) for each in done])
    times = sorted(each.cpu_s * 1e3 for each in done)
    found = [
        Measurement(PART, "drafts of which a goal fell", falls, at_most=0),
        Measurement(PART, "median of the mean gain", statistics.median(gains), at_least=0.1),
        Measurement(PART, "drafts left unchanged", sum(gain == 0 for gain in gains)),
        Measurement(PART, "kept items kept", 100 * kept / len(done), "%", at_least=100),
        Measurement(PART, "optimised twice, most change", 100 * max(changes), "%", at_most=5),
        Measurement(PART, "CPU, p50", times[len(times) // 2], "ms"),
        Measurement(PART, "CPU, p95", times[len(times) * 95 // 100], "ms", at_most=100),
    ]
    if cosines:
        found += [
            Measurement(PART, "least cosine with the draft", min(cosines), at_least=0.8),
            Measurement(PART, "median cosine with the draft", statistics.median(cosines)),
        ]
    return found


def measure_by_goal(done: Sequence[OptimizedDraft]) -> list[Measurement]:
    """The mean before and after, by goal."""
    found = []
    for goal in GOALS:
        scores = [each.answer["goals"][goal] for each in done]
        for when in ("before", "after"):
            mean = statistics.mean(score[when] for score in scores if score["supported"])
            found.append(Measurement(goal, f"mean {when}", mean))
    return found


def measure_plain_rules(
    optimizer: DraftOptimizer, drafts: Sequence[PlantedDraft]
) -> list[Measurement]:
    """The same figures for plain rules."""
    part, gains, falls, kept = "plain rules", [], 0, 0
    pairs = []
    for draft in drafts:
        plain = optimize_plainly(draft)
        before, after = optimizer.judge(draft, (draft.text, plain))
        deltas = [after[goal] - value for goal, value in before.items()]
        gains.append(statistics.mean(deltas))
        falls += min(deltas) < -_SAME
        kept += KeptItems(draft.text, KEEPABLE, ()).are_in(plain)
        pairs.append((draft.text, plain))
    cosines = optimizer.closeness(pairs)
    found = [
        Measurement(part, "drafts of which a goal fell", falls),
        Measurement(part, "median of the mean gain", statistics.median(gains)),
        Measurement(part, "kept items kept", 100 * kept / len(drafts), "%"),
    ]
    if cosines:
        found.append(Measurement(part, "least cosine with the draft", min(cosines)))
    return found


def measure_goals_together(
    optimizer: DraftOptimizer, drafts: Sequence[PlantedDraft]
) -> list[Measurement]:
    """CPU of five goals beside that of the slowest one, each as often the first to see a draft:
    what is known of its sentences is remembered. Each run gets a text of its own, as a draft that
    was just optimised is remembered whole."""
    names = ("all", *GOALS)
    spent = dict.fromkeys(names, 0.0)
    for number, draft in enumerate(drafts):
        for turn in range(len(names)):
            name = names[(number + turn) % len(names)]
            goals = GOALS if name == "all" else (name,)
            text = draft.text + " " * (turn + 2)
            since = process_time()
            optimizer.run(draft, text, goals)
            spent[name] += process_time() - since
    slowest = max(spent[goal] for goal in GOALS)
    share = spent["all"] / slowest if slowest else 0.0
    return [
        Measurement("five goals", f"CPU of {name}", 1e3 * spent[name] / len(drafts), "ms")
        for name in names
    ] + [Measurement("five goals", "beside the slowest", share, at_most=1.3)]


def _change(before: str, after: str) -> float:
    if before == after:
        return 0.0
    return 1 - SequenceMatcher(None, before, after, autojunk=False).ratio()
