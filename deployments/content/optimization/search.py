"""The search: edits of rules, one after the other, as long as they help and harm nothing.

In: a task and its judge. Out: an edited text with the edits that made it. Greedy: a proposal that
helps is taken, of alternatives the best one, until none of any rule helps. So the result of a
result is itself.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import islice

from deployments.content.optimization.draft import TextEdit
from deployments.content.optimization.editors import RULES, EditRule
from deployments.content.optimization.goals import GoalJudge, Scores
from deployments.content.optimization.kept_items import KeptItems
from deployments.content.optimization.task import OptimizationTask

LEAST_GAIN = 0.01  # of all goals together, for which an edit is made
MAX_EDITS = 60
MAX_JUDGED = 400_000  # characters of all texts that are tried for one task; about half a second
MAX_PROPOSALS = 12  # of one rule in one round
_ROUNDS = 4
# Goals are asked in this order: an edit that one of them refuses is not judged by the dearer ones.
_COST = {"keywords": 0, "structure": 1, "engagement": 2, "readability": 3, "sentiment": 4}


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
        self._room = MAX_JUDGED
        self._limit = max(len(task.text), judge.draft(task.text).site.max_chars)

    def improve(self, text: str, goals: Collection[str]) -> EditedText:
        """Edits `text` as far as it helps `goals`; no goal of the task falls below where it is in
        `text`."""
        floor = values_of(self._judge.judge(text))
        rules = [rule for rule in RULES if not rule.goals.isdisjoint(goals)]
        unhelpful = dict[EditRule, str]()  # the text for which a rule had nothing
        edits: list[AppliedEdit] = []
        for _ in range(_ROUNDS):
            known = len(edits)
            for rule in rules:
                if unhelpful.get(rule) == text:
                    continue
                edited = self._apply_rule(rule, text, goals, floor, edits)
                if edited == text:
                    unhelpful[rule] = text
                text = edited
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
        proposals = list(islice(rule.propose(self._judge.draft(text)), MAX_PROPOSALS))
        if rule.has_alternatives:
            found = [self._try(edit, text, goals, floor) for edit in proposals]
            helpful = [(gain, applied) for gain, applied in found if applied is not None]
            best = max(helpful, key=lambda each: each[0], default=(0.0, None))[1]
            return text if best is None else self._take(best, text, edits)
        for edit in sorted(proposals, key=lambda edit: -edit.start):  # places before one stay
            _, applied = self._try(edit, text, goals, floor)
            if applied is not None and len(edits) < MAX_EDITS:
                text = self._take(applied, text, edits)
        return text

    def _take(self, applied: AppliedEdit, text: str, edits: list[AppliedEdit]) -> str:
        edits.append(applied)
        return applied.edit.apply(text)

    def _try(
        self, edit: TextEdit, text: str, goals: Collection[str], floor: Mapping[str, float]
    ) -> tuple[float, AppliedEdit | None]:
        """The gain, and the edit if it is worth making."""
        current = values_of(self._judge.judge(text))
        gains = self._gains(edit, text, current, floor)
        if gains is None:
            return 0.0, None
        total = sum(gain for goal, gain in gains.items() if goal in goals)
        if total < LEAST_GAIN:
            return total, None
        return total, AppliedEdit(edit, text[edit.start : edit.end], gains)

    def _gains(
        self, edit: TextEdit, text: str, current: Mapping[str, float], floor: Mapping[str, float]
    ) -> dict[str, float] | None:
        """By goal; None for an edit that is not allowed."""
        edited = edit.apply(text)
        if edited == text or len(edited) > self._limit or not self._kept.are_in(edited):
            return None
        self._room -= len(edited)
        if self._room < 0:
            return None
        values: dict[str, float] = {}
        for goal in sorted(floor, key=_COST.__getitem__):
            value = self._judge.score(edited, goal).value
            if value is None or value < floor[goal]:
                return None
            values[goal] = value
        return {goal: values[goal] - current[goal] for goal in floor}


def values_of(scores: Scores) -> dict[str, float]:
    """Of the goals that can be judged."""
    return {goal: score.value for goal, score in scores.items() if score.value is not None}
