"""How often each rule has found something, in one process.

In: findings. Out: counts by policy, rule, action and direction, which peers add up.
"""

from collections import Counter
from collections.abc import Iterator, Mapping

from cluster.metrics.catalogue import limits
from cluster.metrics.series import Reading
from deployments.guardrails.spec import Direction
from deployments.guardrails.stream_window import RuleFinding

GuardrailReport = Mapping[tuple[str, str, str, str], int]  # by policy, rule, action, direction
UNCHECKED = "unchecked"  # the action where a rule could not be asked


class GuardrailFigures:
    """Counts findings since the process started."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, str, str]] = Counter()

    def record(self, finding: RuleFinding, direction: Direction) -> None:
        self._counts[finding.policy, finding.rule, finding.action, direction] += 1

    def record_unchecked(self, policy: str, rule: str, direction: Direction) -> None:
        """A text was refused because the rule could not be asked about it."""
        self._counts[policy, rule, UNCHECKED, direction] += 1

    def read_metrics(self) -> Iterator[Reading]:
        yield limits.FINDINGS, list(self._counts.items())

    def report(self) -> GuardrailReport:
        return dict(self._counts)
