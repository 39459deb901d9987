"""Candidates for a task: what rules made of the draft, what models wrote, and what rules made of
that.

In: a task. Out: texts that keep what is to be kept, and the rewrites that were not taken. Pure and
remembered for the latest tasks, as the judgement follows in a second step once the texts have their
vectors.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from deployments.content.optimization.goals import GoalJudge, SentimentOf
from deployments.content.optimization.kept_items import KeptItems
from deployments.content.optimization.rewriting import CleanedRewrite, clean_rewrite
from deployments.content.optimization.search import EditedText, EditSearch
from deployments.content.optimization.task import OptimizationTask

MOST = 12  # candidates of a task: five goals, their rewrites, and two more


@dataclass(frozen=True, slots=True)
class EditCandidates:
    """`texts` differ from the draft and from each other; `refused` are rewrites."""

    judge: GoalJudge
    texts: tuple[EditedText, ...]
    refused: tuple[CleanedRewrite, ...]
    missing_phrases: tuple[str, ...]


@lru_cache(maxsize=16)
def find_candidates(task: OptimizationTask, sentiment: SentimentOf | None) -> EditCandidates:
    """The candidates of `task`. A draft of 300 characters takes about 20 ms."""
    judge = GoalJudge(task, sentiment)
    kept = KeptItems(task.text, task.keep, task.phrases)
    search = EditSearch(task, judge, kept)
    rewrites = [clean_rewrite(task, kept, rewrite) for rewrite in task.rewrites]
    found: dict[str, EditedText] = {}
    for candidate in _candidates(task, search, rewrites):
        if candidate.text != task.text:
            found.setdefault(candidate.text, candidate)
    refused = tuple(rewrite for rewrite in rewrites if rewrite.reason)
    texts = tuple(found.values())[:MOST]
    return EditCandidates(judge, texts, refused, tuple(kept.missing_phrases()))


def _candidates(
    task: OptimizationTask, search: EditSearch, rewrites: list[CleanedRewrite]
) -> Iterator[EditedText]:
    if task.edits_by_rules:
        yield search.improve(task.text, task.goals)
    for rewrite in rewrites:
        if rewrite.text:
            yield EditedText(rewrite.text, (), "model", rewrite.goal)
    if task.edits_by_rules and task.variants > 1 and len(task.goals) > 1:
        for goal in task.goals:
            yield search.improve(task.text, (goal,))
