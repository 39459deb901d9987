"""What the URL of a Redis says: one server, or a Redis Cluster.

In: `MOBULA_REDIS_URL`. Out: which of the two. Connects to nothing.
"""

from collections.abc import Mapping
from typing import Final

CLUSTER_SCHEMES: Final[Mapping[str, str]] = {"redis+cluster": "redis", "rediss+cluster": "rediss"}


def is_cluster_url(url: str) -> bool:
    """Whether it names nodes of a Redis Cluster."""
    return url.partition("://")[0] in CLUSTER_SCHEMES
