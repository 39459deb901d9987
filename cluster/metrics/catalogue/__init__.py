"""Every metric that Mobula exposes, declared once; nothing else is exposed.

Each module has one subject. Out: CATALOGUE in the order of the exposition, and `find`.
"""

from collections.abc import Mapping
from types import ModuleType

from cluster.metrics.catalogue import (
    cache,
    credentials,
    documents,
    generation,
    health,
    http,
    jobs,
    library,
    limits,
    logs,
    media,
    models,
    node,
    process,
    scaling,
    scrape,
    search,
    storage,
    tenants,
    text,
    tracing,
)
from cluster.metrics.metric import Metric

SUBJECTS: Mapping[str, ModuleType] = {
    "HTTP": http,
    "Tenants": tenants,
    "Limits": limits,
    "Cache": cache,
    "Calls of models": models,
    "Generation": generation,
    "Text analysis": text,
    "Post library": library,
    "Documents": documents,
    "Recordings": media,
    "Search": search,
    "Jobs and videos": jobs,
    "Store": storage,
    "Scaling": scaling,
    "Dependencies": health,
    "Logs": logs,
    "Credentials": credentials,
    "Processes": process,
    "Traces and logs": tracing,
    "Nodes": node,
    "Scrape": scrape,
}


def declared(module: ModuleType) -> tuple[Metric, ...]:
    """The metrics of a module, in their order."""
    return tuple(value for value in vars(module).values() if isinstance(value, Metric))


def _index() -> dict[str, Metric]:
    """Raises ValueError for a name that is declared twice."""
    found: dict[str, Metric] = {}
    for module in SUBJECTS.values():
        for metric in declared(module):
            if metric.name in found:
                raise ValueError(f"{metric.name} is declared twice")
            found[metric.name] = metric
    return found


CATALOGUE: Mapping[str, Metric] = _index()  # by name
