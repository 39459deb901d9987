"""Ray's own dashboards, as the installed Ray generates them.

Out: Grafana's JSON. They show what Ray counts: tasks, actors, nodes, calls by handle. Each asks the
source that its own variable names, so they work beside ours.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

Generate = Callable[[], tuple[str, str]]  # content and uid


def ray_dashboards() -> Mapping[str, dict[str, Any]]:
    """By uid; those that ours link to."""
    from ray.dashboard.modules.metrics import grafana_dashboard_factory as factory

    generators: tuple[Generate, ...] = (
        factory.generate_default_grafana_dashboard,
        factory.generate_serve_grafana_dashboard,
        factory.generate_serve_deployment_grafana_dashboard,
        factory.generate_data_grafana_dashboard,
    )
    return {uid: json.loads(content) for content, uid in (each() for each in generators)}
