"""What an alert rule is: an expression, how long it has to hold, and what a person is told.

In: expressions over the catalogue. Out: rules as Prometheus reads them. `for` keeps a short fault
from paging; `keep_firing_for` is the cooldown: one that comes and goes is one notice.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

PREFIX = "Mobula"
RUNBOOKS = "docs/runbooks"
SHORTEST_WINDOW_S = 30
_WINDOW = re.compile(r"(\[|offset )([0-9]+[smhd])(\]|)")


class Severity(StrEnum):
    PAGE = "page"  # now, at any hour
    TICKET = "ticket"  # today or tomorrow
    INFO = "info"


class ClusterPart(StrEnum):
    """Which part of the cluster is at fault, as far as the rule can tell."""

    API = "api"
    MODELS = "models"
    TENANTS = "tenants"
    LIMITS = "limits"
    CACHE = "cache"
    STORE = "store"
    JOBS = "jobs"
    WEBHOOKS = "webhooks"
    MACHINE = "machine"
    CLUSTER = "cluster"
    MONITORING = "monitoring"


@dataclass(frozen=True, slots=True)
class AlertRule:
    """`wait` is Prometheus' `for`, `keep` its `keep_firing_for`; both like 5m. `summary` and
    `description` are templates of Prometheus' with $labels and $value. `runbook` names a page that
    it shares with others; "": it has its own."""

    name: str
    part: ClusterPart
    severity: Severity
    expression: str
    wait: str
    keep: str
    summary: str
    description: str
    runbook: str = ""

    @property
    def page(self) -> str:
        """The file of its runbook in docs/runbooks: MobulaStoreSlow is in store-slow.md."""
        words = re.sub(r"(?<!^)([A-Z])", r"-\1", self.name.removeprefix(PREFIX))
        return f"{self.runbook or words.lower()}.md"


def as_mapping(rule: AlertRule, runbooks: str = RUNBOOKS, scale: float = 1) -> dict[str, Any]:
    """As in a rule file. `runbooks` is where the pages are; `scale` below 1 shortens `for`,
    `keep_firing_for` and the windows of the expression, for trials of the rules."""
    return {
        "alert": rule.name,
        "expr": scaled_windows(rule.expression, scale),
        "for": scaled(rule.wait, scale),
        "keep_firing_for": scaled(rule.keep, scale),
        "labels": {"severity": str(rule.severity), "part": str(rule.part)},
        "annotations": {
            "summary": rule.summary,
            "description": rule.description,
            "runbook_url": f"{runbooks.rstrip('/')}/{rule.page}",
        },
    }


def seconds(duration: str) -> int:
    """Of a duration with one unit: 90s, 5m, 1h, 3d."""
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[duration[-1]]


def scaled(duration: str, scale: float) -> str:
    """The same duration, or `scale` of it in whole seconds, at least one."""
    return duration if scale == 1 else f"{max(1, round(seconds(duration) * scale))}s"


def scaled_windows(expression: str, scale: float) -> str:
    """With the windows and offsets of its selectors scaled, to no less than SHORTEST_WINDOW_S;
    names of recorded series keep theirs."""
    if scale == 1:
        return expression

    def shorter(found: re.Match[str]) -> str:
        length_s = max(SHORTEST_WINDOW_S, round(seconds(found[2]) * scale))
        return f"{found[1]}{length_s}s{found[3]}"

    return _WINDOW.sub(shorter, expression)
