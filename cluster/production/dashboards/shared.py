"""What several dashboards show alike."""

from cluster.metrics.catalogue import node, process
from cluster.metrics.metric import REPLICA
from cluster.production.dashboards.panel import Color
from cluster.production.promql import Queries

Texts = dict[float, tuple[str, Color]]
BREAKERS: Texts = {
    0: ("closed", Color.GREEN),
    1: ("half open", Color.YELLOW),
    2: ("open", Color.RED),
}
UP: Texts = {0: ("away", Color.RED), 1: ("up", Color.GREEN)}
STATES: Texts = {**UP, 0.5: ("degraded", Color.YELLOW)}
GROWTH_WINDOW = "30m"


def free_disk(queries: Queries) -> str:
    """The free part of each disk."""
    by = ("node", "disk")
    free = queries.aggregate("min", node.DISK_FREE, *by)
    return f"{free} / {queries.aggregate('max', node.DISK, *by)}"


def memory_growth(queries: Queries) -> str:
    """Bytes an hour, of each replica."""
    memory = queries.select(process.MEMORY)
    return f"max by (deployment, {REPLICA}) (deriv({memory}[{GROWTH_WINDOW}])) * 3600"
