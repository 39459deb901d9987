"""How often a database was read."""

from cluster.metrics.catalogue import storage
from cluster.storage.database import Database


def read_transactions(database: Database) -> int:
    """Until now."""
    readings = dict(database.read_metrics())
    return sum(
        sum(counts)
        for labels, (counts, _, _) in readings[storage.TRANSACTIONS]
        if labels == ("read",)
    )
