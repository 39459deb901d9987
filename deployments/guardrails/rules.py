"""The rules of a policy, ready to run.

In: rules of the configuration. Out: PlaceRules, which find places in texts, and TextJudges, which
judge texts as a whole.
"""

from deployments.guardrails.scanners import (
    pii_scanners,
    regex_scanner,
    urls_scanner,
    words_scanner,
)
from deployments.guardrails.spec import PiiRule, RegexRule, UrlsRule, WordsRule
from deployments.guardrails.stream_window import Finding, PlaceRule
from deployments.text.folding import PLAIN, WORDS


def place_rule(policy: str, rule: PiiRule | WordsRule | UrlsRule | RegexRule) -> PlaceRule:
    finding = Finding(policy, rule.id, rule.action)
    placeholder = rule.placeholder
    match rule:
        case PiiRule():
            return PlaceRule(finding, PLAIN, pii_scanners(rule), placeholder, rule.min_score)
        case WordsRule():
            return PlaceRule(finding, WORDS, [words_scanner(rule)], placeholder)
        case UrlsRule():
            return PlaceRule(finding, PLAIN, [urls_scanner(rule)], placeholder)
        case RegexRule():
            return PlaceRule(finding, PLAIN, [regex_scanner(rule)], placeholder)
