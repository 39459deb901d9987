"""What Grafana draws a panel with: options and field defaults of each kind of panel.

In: panels. Out: the parts `options` and `fieldConfig.defaults` of Grafana's JSON model.
"""

from typing import Any

from cluster.production.dashboards.panel import Panel, PanelKind

_LAST = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_HIDDEN_LEGEND = {"showLegend": False, "displayMode": "list", "placement": "bottom", "calcs": []}
_TOOLTIP = {"mode": "multi", "sort": "desc"}


def options(panel: Panel) -> dict[str, Any]:
    if panel.kind is PanelKind.TIMESERIES:
        return {"legend": _legend(panel), "tooltip": _TOOLTIP}
    if panel.kind is PanelKind.STAT:
        return {
            "reduceOptions": _LAST,
            "orientation": "auto",
            "colorMode": "value" if len(panel.thresholds) == 1 else "background",
            "graphMode": "area",
            "justifyMode": "auto",
            "textMode": "auto",
            "wideLayout": True,
            "showPercentChange": False,
            "percentChangeColorMode": "standard",
        }
    if panel.kind is PanelKind.TABLE:
        descending = [{"displayName": panel.value_name or panel.title, "desc": True}]
        return {"showHeader": True, "cellHeight": "sm", "frameIndex": 0, "sortBy": descending}
    if panel.kind is PanelKind.STATES:
        return {
            "mergeValues": True,
            "showValue": "auto",
            "alignValue": "center",
            "rowHeight": 0.85,
            "legend": _HIDDEN_LEGEND,
            "tooltip": {"mode": "single", "sort": "none"},
        }
    return {
        "reduceOptions": _LAST,
        "orientation": "horizontal",
        "displayMode": "basic",
        "valueMode": "color",
        "namePlacement": "auto",
        "showUnfilled": True,
        "sizing": "auto",
        "minVizWidth": 8,
        "minVizHeight": 16,
        "maxVizHeight": 300,
        "legend": _HIDDEN_LEGEND,
    }


def field_defaults(panel: Panel) -> dict[str, Any]:
    """PanelUnit, bounds, thresholds and how lines are drawn."""
    optional = {"min": panel.minimum, "max": panel.maximum, "decimals": panel.decimals}
    return {
        "unit": str(panel.shown_unit),
        **{name: value for name, value in optional.items() if value is not None},
        "color": {"mode": "palette-classic" if _has_lines(panel) else "thresholds"},
        "thresholds": {
            "mode": "absolute",
            "steps": [{"color": str(step.color), "value": step.value} for step in panel.thresholds],
        },
        "mappings": _mappings(panel),
        **_custom(panel),
    }


def _has_lines(panel: Panel) -> bool:
    return panel.kind is PanelKind.TIMESERIES


def _legend(panel: Panel) -> dict[str, Any]:
    """A table with figures, under panels that are wide enough for it."""
    is_wide = panel.width >= 8
    return {
        "showLegend": True,
        "displayMode": "table" if is_wide else "list",
        "placement": "bottom",
        "calcs": ["mean", "max", "lastNotNull"] if is_wide else [],
    }


def _mappings(panel: Panel) -> list[dict[str, Any]]:
    if not panel.texts:
        return []
    values = {
        f"{value:g}": {"text": text, "color": str(color), "index": index}
        for index, (value, (text, color)) in enumerate(panel.texts.items())
    }
    return [{"type": "value", "options": values}]


def _custom(panel: Panel) -> dict[str, Any]:
    if panel.kind is PanelKind.STATES:
        return {"custom": {"fillOpacity": 80, "lineWidth": 0}}
    if not _has_lines(panel):
        return {}
    return {
        "custom": {
            "drawStyle": "line",
            "lineInterpolation": "linear",
            "lineWidth": 1,
            "fillOpacity": 30 if panel.is_stacked else 8,
            "showPoints": "never",
            "spanNulls": False,
            "axisPlacement": "auto",
            "axisSoftMin": 0,
            "stacking": {"mode": "normal" if panel.is_stacked else "none", "group": "A"},
            "thresholdsStyle": {"mode": "dashed" if len(panel.thresholds) > 1 else "off"},
        }
    }
