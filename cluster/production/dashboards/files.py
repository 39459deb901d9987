"""The dashboards as files: ours, made for the objectives of an installation, and Ray's.

Out: names and JSON texts.
"""

import json

from cluster.production.alerts.slo import Objectives
from cluster.production.dashboards import (
    cache_and_limits,
    cluster,
    jobs_and_video,
    models,
    overview,
    slo_burn,
    tenants,
)
from cluster.production.dashboards.grafana import as_json
from cluster.production.dashboards.panel import Dashboard
from cluster.production.dashboards.ray_dashboards import ray_dashboards


def dashboards(objectives: Objectives) -> tuple[Dashboard, ...]:
    """All of ours, the overview first."""
    return (
        overview.DASHBOARD,
        models.DASHBOARD,
        tenants.DASHBOARD,
        cache_and_limits.DASHBOARD,
        jobs_and_video.DASHBOARD,
        cluster.DASHBOARD,
        slo_burn.dashboard(objectives),
    )


def own_files(objectives: Objectives) -> dict[str, str]:
    """JSON by file name, of ours."""
    return {f"{each.uid}.json": _text(as_json(each)) for each in dashboards(objectives)}


def ray_files() -> dict[str, str]:
    """JSON by file name, of Ray's."""
    return {f"{uid}.json": _text(content) for uid, content in ray_dashboards().items()}


def _text(content: object) -> str:
    """Compact: a ConfigMap holds a mebibyte, and nobody edits it."""
    return json.dumps(content, separators=(",", ":")) + "\n"
