"""The policies of a cluster, and what applies to a request.

In: the configuration, and the ids that a tenant's plan adds. Out: the rule sets of a request; texts
checked as a whole.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import get_args

from cluster.runtime.problems import GuardrailRefused, unknown_policy
from deployments.contracts.generation import Role
from deployments.guardrails.judges import LONG_TEXT, Asker, JudgingModels
from deployments.guardrails.rules import Compiled, TextRules, text_rules
from deployments.guardrails.spec import Direction, GuardrailConfig
from deployments.guardrails.stream_window import PlaceRule, Released, RuleFinding, TextWindow


@dataclass(frozen=True, slots=True)
class ActivePolicies:
    """What applies to the requests of one plan: `inputs` by the role of a turn, `output`. The
    policies in `raising` fail a request whose output they refuse.
    """

    inputs: dict[Role, TextRules]
    output: TextRules
    raising: frozenset[str]
    window_characters: int

    @property
    def has_input(self) -> bool:
        return any(self.inputs.values())

    @property
    def may_change_output(self) -> bool:
        """Whether output may leave otherwise than the model wrote it."""
        return any(finding.action != "flag" for finding in self.output.findings)

    @property
    def asks_models(self) -> bool:
        sets = (self.output, *self.inputs.values())
        return any(rules.asks_models for rules in sets)


class Guardrails:
    """Compiles the policies once, and their combinations as plans ask for them."""

    def __init__(self, config: GuardrailConfig, models: JudgingModels) -> None:
        self._config = config
        self._compiled = {
            id: [Compiled(id, rule, models) for rule in policy.rules]
            for id, policy in config.policies.items()
        }
        self._active: dict[tuple[str, ...], ActivePolicies | None] = {}

    def active(self, ids: tuple[str, ...]) -> ActivePolicies | None:
        """The operator's default policies and those of `ids`, which a plan adds; None: none.
        Raises GuardrailUnavailable for one that is not configured: what cannot be checked is not
        let through.
        """
        if ids not in self._active:
            self._active[ids] = self._combine(tuple(dict.fromkeys((*self._config.default, *ids))))
        return self._active[ids]

    def fingerprint(self, ids: tuple[str, ...]) -> bytes:
        """What `active` depends on, as 16 bytes; empty where no policy holds."""
        if self.active(ids) is None:
            return b""
        names = dict.fromkeys((*self._config.default, *ids))
        policies = [f"{id}={self._config.policies[id].model_dump_json()}" for id in names]
        return sha256(f"{policies} {self._config.window_characters}".encode()).digest()[:16]

    def _combine(self, ids: tuple[str, ...]) -> ActivePolicies | None:
        for id in ids:
            if id not in self._compiled:
                raise unknown_policy(id)
        rules = [each for id in ids for each in self._compiled[id]]
        if not rules:
            return None
        inputs = [each for each in rules if each.rule.applies_to != "output"]
        return ActivePolicies(
            {
                role: text_rules(
                    each for each in inputs if each.rule.roles is None or role in each.rule.roles
                )
                for role in get_args(Role)
            },
            text_rules(each for each in rules if each.rule.applies_to != "input"),
            frozenset(id for id in ids if self._config.policies[id].on_output == "problem"),
            self._config.window_characters,
        )


async def check_text(
    rules: TextRules, text: str, asker: Asker, *, is_json: bool = False
) -> Released:
    """The whole of a text: redacted, with what was found. Raises GuardrailUnavailable."""
    found = [limit.finding for limit in rules.lengths if len(text) > limit.characters]
    refusal = next((each for each in found if each.action == "refuse"), None)
    for judge in () if refusal is not None else rules.judges:
        if await judge.objects(text, asker):
            found.append(judge.finding)
            if judge.finding.action == "refuse":
                refusal = judge.finding
                break
    if refusal is not None:
        return Released("", [each for each in found if each is not refusal], refusal)
    released = Released(text)
    if rules.places and text:
        if len(text) <= LONG_TEXT:
            released = redact(rules.places, text, is_json=is_json)
        else:
            released = await asyncio.to_thread(redact, rules.places, text, is_json=is_json)
    released.findings[:0] = found
    return released


def redact(rules: Sequence[PlaceRule], text: str, *, is_json: bool = False) -> Released:
    """A whole text by the rules that find places."""
    window = TextWindow(rules, is_json=is_json)
    released = window.add(text)
    if released.refusal is None:
        rest = window.close()
        released.text += rest.text
        released.findings += rest.findings
        released.refusal = rest.refusal
    return released


def refused(finding: RuleFinding, direction: Direction) -> GuardrailRefused:
    return GuardrailRefused(finding.policy, finding.rule, direction)
