"""The rules as Prometheus reads them: one file with the recorded ratios and every alert.

In: objectives, where the runbooks are. Out: groups of rules, as mappings.
"""

from typing import Any

from cluster.production.alerts import dependencies, requests, work
from cluster.production.alerts.rule import RUNBOOKS, AlertRule, as_mapping, scaled_windows
from cluster.production.alerts.slo import Objectives, slos

INTERVAL, TRIAL_INTERVAL = "15s", "5s"


def alert_rules(objectives: Objectives) -> tuple[AlertRule, ...]:
    """Every one of ours."""
    return (*requests.rules(objectives), *dependencies.RULES, *work.RULES)


def groups(
    objectives: Objectives, runbooks: str = RUNBOOKS, scale: float = 1
) -> list[dict[str, Any]]:
    """`scale` below 1 shortens `for`, `keep_firing_for` and windows, for trials of the rules."""
    recordings = [
        {"record": name, "expr": scaled_windows(expression, scale)}
        for slo in slos(objectives)
        for name, expression in slo.recordings()
    ]
    alerts = [as_mapping(rule, runbooks, scale) for rule in alert_rules(objectives)]
    interval = INTERVAL if scale == 1 else TRIAL_INTERVAL
    return [
        {"name": "mobula-objectives", "interval": interval, "rules": recordings},
        {"name": "mobula-alerts", "interval": interval, "rules": alerts},
    ]
