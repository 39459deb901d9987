"""The search: edits of rules, one after the other, as long as they help and harm nothing.

In: a task and its judge. Out: an edited text with the edits that made it. Greedy: of a rule's
proposals the best is taken, until none of any rule helps. So the result of a result is itself.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from deployments.content.optimization.draft import Draft, TextEdit
from deployments.content.optimization.editors import RULES, EditRule
from deployments.content.optimization.goals import GoalJudge, Scores
from deployments.content.optimization.kept_items import KeptItems
from deployments.content.optimization.task import OptimizationTask

LEAST_GAIN = 0.01  # of all goals together, for which an edit is made
MAX_EDITS = 60
MAX_PROPOSALS = 6  # of one rule that are judged at a time
_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class AppliedEdit:
    """An edit in the text that the edits before it have left. `before` is what it replaced, `gains`
    are by goal."""

    edit: TextEdit
    before: str
    gains: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class EditedText:
    """A text that could be offered. `by` says who wrote it: `rules`, or `model` for `goal`."""

    text: str
    edits: tuple[AppliedEdit, ...]
    by: str = "rules"
    goal: str = ""


class EditSearch:
    """Over the rules, for one task."""

    def __init__(self, task: OptimizationTask, judge: GoalJudge, kept: KeptItems) -> None:
        self._task = task
        self._judge = judge
        self._kept = kept
        self._limit = max(len(task.text), Draft(task.text, task).site.max_chars)

    def improve(self, text: str, goals: Collection[str]) -> EditedText:
        """Edits `text` as far as it helps `goals`; no goal of the task falls below where it is in
        `text`."""
        floor = values_of(self._judge.judge(text))
        rules = [rule for rule in RULES if not rule.goals.isdisjoint(goals)]
        edits: list[AppliedEdit] = []
        for _ in range(_ROUNDS):
            known = len(edits)
            for rule in rules:
                text = self._apply_rule(rule, text, goals, floor, edits)
            if len(edits) == known:
                break
        return EditedText(text, tuple(edits))

    def _apply_rule(
        self,
        rule: EditRule,
        text: str,
        goals: Collection[str],
        floor: Mapping[str, float],
        edits: list[AppliedEdit],
    ) -> str:
        while len(edits) < MAX_EDITS:
            best = self._best(rule, text, goals, floor)
            if best is None:
                break
            edits.append(best)
            text = best.edit.apply(text)
        return text

    def _best(
        self, rule: EditRule, text: str, goals: Collection[str], floor: Mapping[str, float]
    ) -> AppliedEdit | None:
        current = values_of(self._judge.judge(text))
        best, most = None, LEAST_GAIN
        for edit, _ in zip(
            rule.propose(Draft(text, self._task)), range(MAX_PROPOSALS), strict=False
        ):
            gains = self._gains(edit, text, current, floor)
            if gains is None:
                continue
            total = sum(gain for goal, gain in gains.items() if goal in goals)
            if total >= most:
                best, most = AppliedEdit(edit, text[edit.start : edit.end], gains), total
        return best

    def _gains(
        self, edit: TextEdit, text: str, current: Mapping[str, float], floor: Mapping[str, float]
    ) -> dict[str, float] | None:
        """By goal; None for an edit that is not allowed."""
        edited = edit.apply(text)
        if edited == text or len(edited) > self._limit or not self._kept.are_in(edited):
            return None
        values = values_of(self._judge.judge(edited))
        if any(values[goal] < least for goal, least in floor.items()):
            return None
        return {goal: value - current[goal] for goal, value in values.items()}


def values_of(scores: Scores) -> dict[str, float]:
    """Of the goals that can be judged."""
    return {goal: score.value for goal, score in scores.items() if score.value is not None}
