"""Dashboards as Grafana reads them: its JSON model, schema version 41 (Grafana 11.6 and later).

In: dashboards. Out: mappings. Every panel asks the source that the variable `datasource` names, and
every query of ours the installation that `job` names.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from cluster.metrics.catalogue import scaling, scrape
from cluster.metrics.metric import REPLICA
from cluster.production.dashboards.options import field_defaults, options
from cluster.production.dashboards.panel import (
    WIDTH,
    Dashboard,
    DashboardVariable,
    Panel,
    PanelKind,
    Shown,
)
from cluster.production.dashboards.selectors import firing_alerts
from cluster.production.promql import JOB, Queries, like

TAG = "mobula"
SCHEMA_VERSION = 41
SOURCE_VARIABLE = "datasource"
SOURCE = {"type": "prometheus", "uid": f"${{{SOURCE_VARIABLE}}}"}
SCRAPE_INTERVAL = "15s"
# Ray's own dashboards, which it generates (ray_dashboards.py).
RAY_DASHBOARDS = {
    "Ray: cluster": "rayDefaultDashboard",
    "Ray: Serve": "rayServeDashboard",
    "Ray: Serve deployments": "rayServeDeploymentDashboard",
    "Ray: Data": "rayDataDashboard",
}
_ROW_HEIGHT = 1


def as_json(dashboard: Dashboard) -> dict[str, Any]:
    """The JSON model of a dashboard."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": [TAG],
        "schemaVersion": SCHEMA_VERSION,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": dashboard.since, "to": "now"},
        "timezone": "browser",
        "templating": {"list": list(_variables(dashboard))},
        "annotations": {"list": list(_annotations())},
        "links": list(_links()),
        "panels": list(_panels(dashboard)),
    }


def _variables(dashboard: Dashboard) -> Iterator[dict[str, Any]]:
    yield {
        "name": SOURCE_VARIABLE,
        "label": "Source",
        "type": "datasource",
        "query": "prometheus",
        "refresh": 1,
        "multi": False,
        "includeAll": False,
    }
    yield _variable("Installation", DashboardVariable(JOB, scrape.BUILD, is_multiple=False))
    for variable in dashboard.variables:
        yield _variable(variable.label.capitalize(), variable)


def _variable(name: str, variable: DashboardVariable) -> dict[str, Any]:
    metric = variable.metric
    suffix = "_count" if metric.buckets else ""
    matcher = "" if variable.label == JOB else f'{{{JOB}="${JOB}"}}'
    query = f"label_values({metric.name}{suffix}{matcher}, {variable.label})"
    every = {
        "allValue": ".*",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
    }
    return {
        "name": variable.label,
        "label": name,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": f"variable-{variable.label}"},
        "refresh": 2,
        "sort": 1,
        "multi": variable.is_multiple,
        "includeAll": variable.is_multiple,
        **(every if variable.is_multiple else {}),
    }


def _annotations() -> Iterator[dict[str, Any]]:
    yield {
        "builtIn": 1,
        "name": "Annotations & Alerts",
        "type": "dashboard",
        "datasource": {"type": "grafana", "uid": "-- Grafana --"},
        "enable": True,
        "hide": True,
        "iconColor": "rgba(0, 211, 255, 1)",
    }
    build = f'{scrape.BUILD.name}{{{JOB}="${JOB}"}}'
    yield _annotation(
        "Alerts", "red", firing_alerts(), "{{alertname}}", "{{severity}} {{model}} {{deployment}}"
    )
    # A version that was not there before: a deploy.
    decisions = Queries({JOB: f"${JOB}", "direction": like("up|down")}).shared(
        scaling.DECISIONS, "deployment", "direction", window="2m"
    )
    title = "{{deployment}} {{direction}}"
    yield _annotation("Scaling", "purple", f"{decisions} > 0", title, "")
    yield _annotation("Deploys", "blue", f"{build} unless {build} offset 2m", "{{version}}", "")


def _annotation(name: str, color: str, expression: str, title: str, text: str) -> dict[str, Any]:
    return {
        "name": name,
        "datasource": SOURCE,
        "enable": True,
        "iconColor": color,
        "target": {
            "refId": name,
            "expr": expression,
            "interval": "1m",
            "legendFormat": title,
        },
        "titleFormat": title,
        "textFormat": text,
    }


def _links() -> Iterator[dict[str, Any]]:
    common = {
        "icon": "external link",
        "tooltip": "",
        "keepTime": True,
        "targetBlank": False,
        "asDropdown": False,
    }
    yield {
        **common,
        "title": "Mobula",
        "type": "dashboards",
        "tags": [TAG],
        "asDropdown": True,
        "includeVars": True,
    }
    for title, uid in RAY_DASHBOARDS.items():
        link = {"title": title, "type": "link", "url": f"/d/{uid}", "tags": []}
        yield {**common, **link, "includeVars": False, "targetBlank": True}


def _panels(dashboard: Dashboard) -> Iterator[dict[str, Any]]:
    top, number = 0, 0
    for row in dashboard.rows:
        number += 1
        position = {"x": 0, "y": top, "w": WIDTH, "h": _ROW_HEIGHT}
        yield {
            "id": number,
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "gridPos": position,
            "panels": [],
        }
        top += _ROW_HEIGHT
        for line in _lines(row.panels):
            left = 0
            for panel in line:
                number += 1
                place = {"x": left, "y": top, "w": panel.width, "h": panel.height}
                yield {"id": number, **_panel(panel), "gridPos": place}
                left += panel.width
            top += max(panel.height for panel in line)


def _lines(panels: Sequence[Panel]) -> Iterator[list[Panel]]:
    """As many side by side as the grid is wide."""
    line: list[Panel] = []
    for panel in panels:
        if line and sum(each.width for each in line) + panel.width > WIDTH:
            yield line
            line = []
        line.append(panel)
    if line:
        yield line


def _panel(panel: Panel) -> dict[str, Any]:
    shown = {
        "type": str(panel.kind),
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "interval": SCRAPE_INTERVAL,
        "targets": [_target(panel, index, query) for index, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": field_defaults(panel), "overrides": []},
        "options": options(panel),
    }
    if panel.kind is PanelKind.TABLE:
        shown["transformations"] = [_table_columns(panel)]
    if panel.link:
        shown["links"] = [_panel_link(panel.link)]
    return shown


def _target(panel: Panel, index: int, query: Shown) -> dict[str, Any]:
    is_instant = panel.kind in (PanelKind.TABLE, PanelKind.BARS)
    return {
        "refId": chr(ord("A") + index),
        "datasource": SOURCE,
        "editorMode": "code",
        "expr": query.expression,
        "legendFormat": query.legend,
        "instant": is_instant,
        "range": not is_instant,
        "format": "table" if panel.kind is PanelKind.TABLE else "time_series",
        **({"exemplar": True} if query.exemplars else {}),
    }


def _table_columns(panel: Panel) -> dict[str, Any]:
    """Only the panel's columns and the value, under their names."""
    value = panel.value_name or panel.title
    names = {name: name.replace("_", " ").capitalize() for name in panel.columns}
    organized = {
        "excludeByName": {"Time": True, "__name__": True, JOB: True, "instance": True}
        | ({} if REPLICA in panel.columns else {REPLICA: True}),
        "includeByName": {**dict.fromkeys((*panel.columns, "Value"), True)},
        "indexByName": {name: index for index, name in enumerate((*panel.columns, "Value"))},
        "renameByName": {**names, "Value": value},
    }
    return {"id": "organize", "options": organized}


def _panel_link(uid: str) -> dict[str, Any]:
    return {
        "title": "More",
        "type": "link",
        "url": f"/d/{uid}?${{{JOB}:queryparam}}&${{__url_time_range}}",
        "icon": "",
        "tooltip": "",
        "tags": [],
        "asDropdown": False,
        "includeVars": False,
        "keepTime": False,
        "targetBlank": False,
    }
