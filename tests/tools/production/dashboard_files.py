"""Dashboards as tests read them: their JSON, panels and expressions."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from cluster.production.alerts.slo import WINDOWS, Objectives, slos
from cluster.production.dashboards.files import own_files

OBJECTIVES = Objectives()
RECORDED = {
    name
    for slo in slos(OBJECTIVES)
    for window in WINDOWS
    for name in (slo.ratio(window), slo.events(window))
}


@cache
def texts() -> dict[str, str]:
    """JSON by the dashboard's uid."""
    return {name.removesuffix(".json"): text for name, text in own_files(OBJECTIVES).items()}


def dashboard(uid: str) -> dict[str, Any]:
    return json.loads(texts()[uid])


def panels(uid: str) -> list[dict[str, Any]]:
    """Without rows."""
    return [panel for panel in dashboard(uid)["panels"] if panel["type"] != "row"]


def expressions(uid: str) -> Iterator[str]:
    """Of panels, with what Grafana puts in the place of its own variables."""
    for panel in panels(uid):
        for target in panel["targets"]:
            yield filled_in(target["expr"])


def filled_in(expression: str) -> str:
    for name, value in {"$__rate_interval": "1m", "$__range": "1h", "$__interval": "15s"}.items():
        expression = expression.replace(name, value)
    return expression
