"""The answer to a task: before and after by goal, what was changed and why.

In: a task, its candidates, exact ratings where there are any. Out: values of JSON.
"""

from collections.abc import Callable, Mapping
from typing import Any

from deployments.content.engagement import EngagementModel
from deployments.content.optimization.candidates import EditCandidates
from deployments.content.optimization.choice import ScoredText, choose
from deployments.content.optimization.differences import (
    TextDifference,
    differences_of_edits,
    find_differences,
)
from deployments.content.optimization.goals import JUDGES, GoalScore, Scores
from deployments.content.optimization.search import AppliedEdit, EditedText, values_of
from deployments.content.optimization.task import OptimizationTask

OPTIMIZER = "post-optimizer@1"  # who answers; a change of rules or scores changes it
ENGAGEMENT_MODEL = "engagement-ridge@1"
LEAST_MEANING = 0.8  # cosine of a rewrite and the draft
_DIGITS = 4
_UNCHANGED = "No edit helps these goals without harm to another one: the text stays as it is."


def outcome(
    task: OptimizationTask, candidates: EditCandidates, meaning: Callable[[str], float | None]
) -> dict[str, Any]:
    """`meaning` says how close a rewrite is to the draft (None: not known)."""
    rate = candidates.judge.judge
    before, basis = rate(task.text), _basis(candidates.judge.model)
    floor = values_of(before)
    scored, refused = [], [_refusal(rewrite.goal, rewrite.reason) for rewrite in candidates.refused]
    for candidate in candidates.texts:
        closeness = meaning(candidate.text)
        if closeness is not None and closeness < LEAST_MEANING:
            reason = f"It says something else than the draft (cosine {closeness:.2f})."
            refused.append(_refusal(candidate.goal, reason))
            continue
        scored.append(ScoredText(candidate, values_of(rate(candidate.text))))
    chosen = choose(floor, scored, task.variants)
    best = chosen[0].candidate.text if chosen else task.text
    return {
        "platform": task.platform,
        "language": task.language or None,
        "text": best,
        "is_changed": bool(chosen),
        "reason": None if chosen else _UNCHANGED,
        "goals": _goals(before, rate(best), basis),
        "variants": [
            _variant(
                task.text, scored.candidate, _goals(before, rate(scored.candidate.text), basis)
            )
            for scored in chosen
        ],
        "refused_rewrites": refused,
        "missing_phrases": list(candidates.missing_phrases),
    }


def _goals(before: Scores, after: Scores, basis: Mapping[str, Any]) -> dict[str, Any]:
    goals = {}
    for goal, score in before.items():
        told: Mapping[str, Any] = basis if goal == "engagement" else {}
        goals[goal] = {**_goal(score, after[goal]), "by": JUDGES[goal], **told}
    return goals


def _basis(model: EngagementModel | None) -> dict[str, Any]:
    """What engagement is judged by."""
    if model is None:
        return {"basis": "prior"}
    return {
        "by": ENGAGEMENT_MODEL,
        "basis": "outcomes",
        "spearman": model.spearman,
        "outcomes": model.outcomes,
    }


def _goal(before: GoalScore, after: GoalScore) -> dict[str, Any]:
    if before.value is None or after.value is None:
        return {"supported": False, "reason": before.reason}
    return {
        "supported": True,
        "before": round(before.value, _DIGITS),
        "after": round(after.value, _DIGITS),
        "delta": round(after.value - before.value, _DIGITS),
        "reason_before": before.reason,
        "reason_after": after.reason,
    }


def _variant(draft: str, candidate: EditedText, goals: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "text": candidate.text,
        "characters": len(candidate.text),
        "by": candidate.by,
        "goal": candidate.goal or None,
        "goals": goals,
        "why": [_edit(edit) for edit in candidate.edits],
        "diff": [
            difference.body(draft, candidate.text) for difference in _differences(draft, candidate)
        ],
    }


def _differences(draft: str, candidate: EditedText) -> list[TextDifference]:
    if candidate.by == "model":
        return find_differences(draft, candidate.text)
    return differences_of_edits(draft, [applied.edit for applied in candidate.edits])


def _edit(applied: AppliedEdit) -> dict[str, Any]:
    edit = applied.edit
    return {
        "rule": edit.rule,
        "reason": edit.reason,
        "start": edit.start,
        "before": applied.before,
        "after": edit.text,
        "gains": {
            goal: round(gain, _DIGITS)
            for goal, gain in applied.gains.items()
            if round(gain, _DIGITS)
        },
    }


def _refusal(goal: str, reason: str) -> dict[str, Any]:
    return {"goal": goal, "reason": reason}
