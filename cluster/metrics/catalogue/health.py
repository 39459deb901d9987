"""What the cluster depends on, as each replica's background checks find it."""

from cluster.metrics.metric import counter, gauge

_DEPENDENCY = ("dependency",)
_DEPENDENCIES = "names of dependencies: of the product, and of the configuration"

UP = gauge(
    "mobula_dependency_up",
    "1: the dependency works, 0.5: it is degraded, 0: it is down. Absent: off, or not checked yet.",
    source="ingress",
    labels=_DEPENDENCY,
    labels_from=_DEPENDENCIES,
)
STATE_AGE = gauge(
    "mobula_dependency_state_age_seconds",
    "Seconds for which a dependency has been in its state.",
    source="ingress",
    labels=_DEPENDENCY,
    labels_from=_DEPENDENCIES,
)
LATENCY = gauge(
    "mobula_dependency_latency_seconds",
    "Seconds that the last check of a dependency took.",
    source="ingress",
    labels=_DEPENDENCY,
    labels_from=_DEPENDENCIES,
)
CHECKS = counter(
    "mobula_dependency_checks_total",
    "Checks by what they found; fault: degraded or down; skipped: the process itself stood still.",
    source="ingress",
    labels=("dependency", "outcome"),
    labels_from=f"{_DEPENDENCIES}; good, fault, timeout, skipped",
)
CHANGES = counter(
    "mobula_dependency_changes_total",
    "How often the state of a dependency has changed.",
    source="ingress",
    labels=_DEPENDENCY,
    labels_from=_DEPENDENCIES,
)
