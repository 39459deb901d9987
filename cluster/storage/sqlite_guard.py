"""Restricts SQLite to clusters with one node.

Several nodes would each open their own file, or share one over a network, which SQLite does not
support: keys, limits and jobs would differ between nodes.
"""


class SqliteNeedsSingleNode(ValueError):
    """SQLite is configured for a cluster with several nodes; for the operator."""

    def __init__(self) -> None:
        super().__init__(
            "SQLite supports one node, and this cluster has more. Set MOBULA_DATABASE_URL on every "
            "node to the same PostgreSQL (postgresql+asyncpg://user:password@host/name)."
        )


def is_sqlite(url: str) -> bool:
    return url.startswith("sqlite")
