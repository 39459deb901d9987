"""Checks Ray's nodes against the rule that a SQLite store serves one node."""

import logging

import ray

from cluster.runtime.settings import Settings
from cluster.secrets.key_files import store_url
from cluster.storage.database import SqliteNeedsSingleNode, is_sqlite

HEAD = "node:__internal_head__"  # a resource that Ray gives the head node only
logger = logging.getLogger("mobula.store")


def check_store_to_deploy(settings: Settings) -> None:
    """Before anything is deployed. Raises SqliteNeedsSingleNode; without a cluster, nothing."""
    if _uses_sqlite(settings) and len(_alive_nodes()) > 1:
        raise SqliteNeedsSingleNode


def check_store_to_start(settings: Settings) -> None:
    """Before a replica starts. Raises SqliteNeedsSingleNode where SQLite is the store and this is
    not the head node: another node may have joined later. On the head node itself it only warns,
    because the replica that starts there may replace one that served.
    """
    if not _uses_sqlite(settings):
        return
    nodes = _alive_nodes()
    heads = [id for id, is_head in nodes.items() if is_head]
    if ray.get_runtime_context().get_node_id() not in heads:
        raise SqliteNeedsSingleNode
    if len(nodes) > 1:
        logger.warning("%s", SqliteNeedsSingleNode())


def _uses_sqlite(settings: Settings) -> bool:
    return is_sqlite(store_url(settings.home, settings)) and ray.is_initialized()


def _alive_nodes() -> dict[str, bool]:
    """Whether it is the head, by node id."""
    return {node["NodeID"]: HEAD in node["Resources"] for node in ray.nodes() if node["Alive"]}
