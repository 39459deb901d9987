"""The rules of policies, ready to run.

In: rules of the configuration. Out: TextRules, which hold what applies to one kind of text: rules
that find places, rules that judge texts as a whole, and limits of their length.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from deployments.guardrails.judges import (
    JudgingModels,
    ModelJudge,
    TextJudge,
    injection_judge,
    language_judge,
)
from deployments.guardrails.scanners import (
    pii_scanners,
    regex_scanner,
    urls_scanner,
    words_scanner,
)
from deployments.guardrails.spec import (
    InjectionRule,
    LanguageRule,
    LengthRule,
    ModelRule,
    PiiRule,
    RegexRule,
    Rule,
    UrlsRule,
    WordsRule,
)
from deployments.guardrails.stream_window import PlaceRule, RuleFinding
from deployments.text.folding import PLAIN, TERMS

Place = PiiRule | WordsRule | UrlsRule | RegexRule
Judge = LanguageRule | InjectionRule | ModelRule


@dataclass(frozen=True, slots=True)
class LengthLimit:
    """A text may have so many characters."""

    finding: RuleFinding
    characters: int


@dataclass(frozen=True, slots=True)
class TextRules:
    """What applies to one kind of text."""

    places: tuple[PlaceRule, ...] = ()
    judges: tuple[TextJudge, ...] = ()
    lengths: tuple[LengthLimit, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.places or self.judges or self.lengths)

    @property
    def findings(self) -> list[RuleFinding]:
        """Of every rule, what it would find."""
        return [
            *(limit.finding for limit in self.lengths),
            *(judge.finding for judge in self.judges),
            *(place.finding for place in self.places),
        ]

    @property
    def asks_models(self) -> bool:
        """Whether the verdict may change while the policy stays."""
        return any(isinstance(judge, ModelJudge) for judge in self.judges)


def place_rule(policy: str, rule: Place) -> PlaceRule:
    finding = RuleFinding(policy, rule.id, rule.action)
    placeholder = rule.placeholder
    match rule:
        case PiiRule():
            return PlaceRule(finding, PLAIN, pii_scanners(rule), placeholder, rule.min_score)
        case WordsRule():
            return PlaceRule(finding, TERMS, [words_scanner(rule)], placeholder)
        case UrlsRule():
            return PlaceRule(finding, PLAIN, [urls_scanner(rule)], placeholder)
        case RegexRule():
            return PlaceRule(finding, PLAIN, [regex_scanner(rule)], placeholder)


def text_judge(policy: str, rule: Judge, models: JudgingModels) -> TextJudge:
    finding = RuleFinding(policy, rule.id, rule.action)
    match rule:
        case LanguageRule():
            return language_judge(finding, rule)
        case InjectionRule():
            return injection_judge(finding, rule)
        case ModelRule():
            return ModelJudge(finding, rule, models)


class Compiled:
    """One rule, compiled once."""

    def __init__(self, policy: str, rule: Rule, models: JudgingModels) -> None:
        self.rule = rule
        self.place = place_rule(policy, rule) if isinstance(rule, Place) else None
        self.judge = text_judge(policy, rule, models) if isinstance(rule, Judge) else None
        self.length = (
            LengthLimit(RuleFinding(policy, rule.id, rule.action), rule.max_characters)
            if isinstance(rule, LengthRule)
            else None
        )


def text_rules(compiled: Iterable[Compiled]) -> TextRules:
    rules = list(compiled)
    return TextRules(
        tuple(each.place for each in rules if each.place is not None),
        tuple(each.judge for each in rules if each.judge is not None),
        tuple(each.length for each in rules if each.length is not None),
    )
