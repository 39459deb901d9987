"""The rules as Prometheus reads them: one file with the recorded ratios and every alert.

In: objectives, where the runbooks are. Out: groups of rules, as mappings.
"""

from typing import Any

from cluster.production.alerts import dependencies, requests, work
from cluster.production.alerts.rule import RUNBOOKS, AlertRule, as_mapping
from cluster.production.alerts.slo import Objectives, slos

FAST, SLOW = "15s", "1m"


def alert_rules(objectives: Objectives) -> tuple[AlertRule, ...]:
    """Every one of ours."""
    return (*requests.rules(objectives), *dependencies.RULES, *work.RULES)


def groups(
    objectives: Objectives, runbooks: str = RUNBOOKS, scale: float = 1
) -> list[dict[str, Any]]:
    """`scale` below 1 shortens `for` and `keep_firing_for`, for trials of the rules."""
    recordings = [
        {"record": name, "expr": expression}
        for slo in slos(objectives)
        for name, expression in slo.recordings()
    ]
    alerts = [as_mapping(rule, runbooks, scale) for rule in alert_rules(objectives)]
    return [
        {"name": "mobula-objectives", "interval": FAST, "rules": recordings},
        {"name": "mobula-alerts", "interval": FAST, "rules": alerts},
    ]
