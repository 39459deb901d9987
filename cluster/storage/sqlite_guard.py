"""The rule that SQLite serves one node.

On several, each would open a file of its own, or all of them one file over a network, which SQLite
does not allow: keys, limits and jobs would differ from node to node.
"""


class SqliteNeedsSingleNode(ValueError):
    """SQLite is the store, and there are several nodes, or one is to join; for the operator."""

    def __init__(self) -> None:
        super().__init__(
            "SQLite serves one node, and this cluster has more. Set MOBULA_DATABASE_URL on every "
            "node to the same PostgreSQL (postgresql+asyncpg://user:password@host/name)."
        )


def is_sqlite(url: str) -> bool:
    return url.startswith("sqlite")
