"""The post library, and the outcomes that tenants report."""

from cluster.metrics.metric import counter, gauge

CHANGES = counter(
    "mobula_library_changes_total",
    "Posts of the library that were changed, by what was done.",
    source="ingress",
    labels=("action",),
    labels_from="create, update, restore, transition, delete, bulk",
)
POSTS = gauge(
    "mobula_library_posts",
    "Posts in the library, of all tenants; every replica sees the same ones.",
    source="ingress",
)
BYTES = gauge(
    "mobula_library_bytes",
    "Bytes of the texts of all versions in the library; every replica sees the same ones.",
    source="ingress",
)
DUE_EVENTS = counter(
    "mobula_library_due_events_total",
    "Events `post.due` that this replica has written.",
    source="ingress",
)
OVERDUE = gauge(
    "mobula_library_overdue_posts",
    "Scheduled posts whose time has come and whose event is not written; every replica sees the "
    "same ones.",
    source="ingress",
)
OLDEST_OVERDUE = gauge(
    "mobula_library_oldest_overdue_seconds",
    "Seconds for which the oldest of those posts has been due.",
    source="ingress",
)
OUTCOMES = counter(
    "mobula_outcomes_total",
    "Outcomes that tenants reported and this replica took: new ones, and repetitions.",
    source="ingress",
    labels=("result",),
    labels_from="accepted, duplicate",
)
