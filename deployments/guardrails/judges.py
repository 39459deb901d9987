"""The rules that judge a text as a whole.

In: a text and who asks. Out: whether the rule objects. A judge that asks a model refuses what it
cannot ask about, unless it was told otherwise.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from cluster.runtime.problems import GuardrailUnavailable, Problem
from cluster.tenants.caller import Caller
from deployments.guardrails.injection import injection_score
from deployments.guardrails.spec import InjectionRule, LanguageRule, ModelRule
from deployments.guardrails.stream_window import RuleFinding
from deployments.text.language import find_language, letters_of

LONG_TEXT = 4_096  # characters: more than these are judged off the event loop

logger = logging.getLogger("mobula.guardrails")


@dataclass(frozen=True, slots=True)
class Asker:
    """Whose text it is."""

    caller: Caller
    request_id: str


class JudgingModels(Protocol):
    """The models that rules ask. Both raise Problems."""

    async def scores(
        self, model: str, text: str, asker: Asker, timeout_s: float
    ) -> Mapping[str, float]:
        """A moderation model's score of each category."""
        ...

    async def says_yes(
        self, model: str, question: str, text: str, asker: Asker, timeout_s: float
    ) -> bool:
        """What a text model answers to a question about a text."""
        ...


class TextJudge(Protocol):
    """A rule that judges whole texts."""

    @property
    def finding(self) -> RuleFinding: ...

    async def objects(self, text: str, asker: Asker) -> bool:
        """Raises GuardrailUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class LocalJudge:
    """Judges by a function, off the event loop for long texts."""

    finding: RuleFinding
    judge: Callable[[str], bool]

    async def objects(self, text: str, asker: Asker) -> bool:
        if len(text) <= LONG_TEXT:
            return self.judge(text)
        return await asyncio.to_thread(self.judge, text)


@dataclass(frozen=True, slots=True)
class ModelJudge:
    """Asks a model."""

    finding: RuleFinding
    rule: ModelRule
    models: JudgingModels

    async def objects(self, text: str, asker: Asker) -> bool:
        if not text.strip():
            return False
        try:
            async with asyncio.timeout(self.rule.timeout_s):
                return await self._ask(text, asker)
        except (Problem, TimeoutError) as error:
            finding = self.finding
            logger.warning(
                "rule '%s' of guardrail '%s' cannot ask model '%s': %s",
                finding.rule,
                finding.policy,
                self.rule.model,
                error.slug if isinstance(error, Problem) else "timeout",
            )
            if self.rule.on_error == "allow":
                return False
            raise GuardrailUnavailable(
                f"Rule '{finding.rule}' of guardrail '{finding.policy}' cannot be checked now.",
                policy=finding.policy,
                rule=finding.rule,
                retry_after_s=1.0,
            ) from None

    async def _ask(self, text: str, asker: Asker) -> bool:
        rule = self.rule
        if rule.question is not None:
            return await self.models.says_yes(
                rule.model, rule.question, text, asker, rule.timeout_s
            )
        scores = await self.models.scores(rule.model, text, asker, rule.timeout_s)
        wanted = rule.categories
        return any(
            score >= rule.threshold
            for category, score in scores.items()
            if wanted is None or category in wanted
        )


def language_judge(finding: RuleFinding, rule: LanguageRule) -> TextJudge:
    allowed = frozenset(rule.allowed)

    def is_other(text: str) -> bool:
        if letters_of(text) < rule.min_letters:
            return False
        found = find_language(text)
        return found is not None and found.score >= rule.min_score and found.code not in allowed

    find_language("loads the model")  # before the first request waits for it
    return LocalJudge(finding, is_other)


def injection_judge(finding: RuleFinding, rule: InjectionRule) -> TextJudge:
    return LocalJudge(finding, lambda text: injection_score(text) >= rule.threshold)
