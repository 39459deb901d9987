"""What the shards that search collections do."""

from cluster.metrics.metric import LATENCY_S, counter, gauge, histogram

SEARCHES = counter(
    "mobula_search_queries_total",
    "Searches of collections that ended, by outcome.",
    source="search",
    labels=("outcome",),
    labels_from="finished, cancelled, refused, failed",
)
DURATION = histogram(
    "mobula_search_duration_seconds",
    "Seconds of a search in its shard: changes that were read first, ranking, texts of the answer.",
    source="search",
    labels=("mode",),
    buckets=LATENCY_S,
    labels_from="vector, text, hybrid, match",
)
REFRESHES = histogram(
    "mobula_search_refresh_duration_seconds",
    "Seconds in which a shard read a collection from the store, or what had changed in it.",
    source="search",
    labels=("kind",),
    buckets=LATENCY_S,
    labels_from="load, changes",
)
CHANGES = counter(
    "mobula_search_changes_total",
    "Points and tombstones that shards read from the store.",
    source="search",
)
APPROXIMATE = counter(
    "mobula_search_approximate_total",
    "Searches whose candidates an approximate index chose.",
    source="search",
)
EVICTIONS = counter(
    "mobula_search_evictions_total",
    "Collections that left the memory of a shard because others needed it.",
    source="search",
)
COLLECTIONS = gauge(
    "mobula_search_collections",
    "Collections that a shard has in memory.",
    source="search",
)
POINTS = gauge(
    "mobula_search_points",
    "Points of the collections that a shard has in memory.",
    source="search",
)
BYTES = gauge(
    "mobula_search_bytes",
    "Bytes of the collections that a shard has in memory, about.",
    source="search",
)
