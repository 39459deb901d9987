"""The scrape itself."""

from cluster.metrics.metric import counter, gauge

BUILD = gauge(
    "mobula_build_info",
    "1, for the version that answered the scrape.",
    source="scrape",
    labels=("version",),
    labels_from="versions of Mobula",
)
REPLICAS = gauge(
    "mobula_scrape_replicas",
    "Replicas that answered the scrape.",
    source="scrape",
    labels=("deployment",),
    labels_from="names of deployments",
)
MISSING_NOW = gauge(
    "mobula_scrape_missing_replicas",
    "Replicas that are running, and did not answer this scrape in time.",
    source="scrape",
    labels=("deployment",),
    labels_from="names of deployments",
)
MISSING = counter(
    "mobula_scrape_missing_total",
    "Replicas that did not answer a scrape in time.",
    source="scrape",
    labels=("deployment",),
    labels_from="names of deployments",
)
DURATION = gauge(
    "mobula_scrape_duration_seconds",
    "Seconds that it took to ask all replicas, this time.",
    source="scrape",
)
SERIES = gauge(
    "mobula_series",
    "Label sets of a metric in all replicas.",
    source="scrape",
    labels=("family",),
    labels_from="names of metrics",
)
