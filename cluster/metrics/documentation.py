"""The page of all metrics, made from the catalogue.

Out: Markdown, which docs/metrics.md holds.
"""

from collections.abc import Iterator

from cluster.metrics.catalogue import SUBJECTS, declared
from cluster.metrics.metric import OTHER, REPLICA, Metric

_HEAD = f"""# Metrics

Made by `python -m cluster.metrics > docs/metrics.md` from `cluster/metrics/catalogue`.

`GET /metrics` answers with every series below of every replica, to a key with the scope
`metrics:read`: as text 0.0.4, or as OpenMetrics 1.0 with exemplars where `Accept` prefers it. Each
process counts for itself since it started, and each series has the label `{REPLICA}`: use
`sum(rate(...))`. A metric has at most as many label sets in a replica as its cap says; then
`{OTHER}` stands for further values of its first label. Deployments that are scaled to zero are not
asked. `mobula_scrape_missing_total` counts replicas that did not answer within a second.
"""


def document() -> str:
    """The whole page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD
    for number, (subject, module) in enumerate(SUBJECTS.items()):
        if number:
            yield ""
        yield f"## {subject}"
        yield ""
        yield "| name | kind | labels | cap | of | meaning |"
        yield "|---|---|---|---|---|---|"
        yield from map(_row, declared(module))


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    if metric.labels_from:
        labels += f" ({metric.labels_from})"
    cap = str(metric.cap) if metric.labels else ""
    cells = (f"`{metric.name}`", str(metric.kind), labels, cap, metric.source, metric.help)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
