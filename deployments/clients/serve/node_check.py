"""What Ray knows of the cluster's nodes, held against the rule that SQLite serves one node."""

import logging

import ray

from cluster.runtime.settings import Settings
from cluster.secrets.key_files import store_url
from cluster.storage.sqlite_guard import SqliteNeedsSingleNode, is_sqlite

HEAD = "node:__internal_head__"  # a resource that Ray gives the head alone
logger = logging.getLogger("mobula.store")


def check_store_to_deploy(settings: Settings) -> None:
    """Before anything is deployed. Raises OneNodeOnly; without a cluster, nothing."""
    if _stands_on_sqlite(settings) and len(_living()) > 1:
        raise SqliteNeedsSingleNode


def check_store_to_start(settings: Settings) -> None:
    """Before a replica starts. Raises OneNodeOnly where SQLite is the store and this is not the
    head's node: another may have joined later. On the head itself that is only warned of, because
    what starts there may replace a replica that served.
    """
    if not _stands_on_sqlite(settings):
        return
    living = _living()
    if ray.get_runtime_context().get_node_id() not in [id for id, head in living.items() if head]:
        raise SqliteNeedsSingleNode
    if len(living) > 1:
        logger.warning("%s", SqliteNeedsSingleNode())


def _stands_on_sqlite(settings: Settings) -> bool:
    return is_sqlite(store_url(settings.home, settings)) and ray.is_initialized()


def _living() -> dict[str, bool]:
    """Node id -> whether it is the head, of every node that lives."""
    return {node["NodeID"]: HEAD in node["Resources"] for node in ray.nodes() if node["Alive"]}
