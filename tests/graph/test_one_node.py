"""SQLite supports one node: what is refused when a cluster has several."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import ray

from cluster.runtime.settings import Settings
from cluster.storage.database import SqliteNeedsSingleNode
from deployments.clients.serve.node_check import HEAD, check_store_to_deploy, check_store_to_start

POSTGRES = "postgresql+asyncpg://m@/m"


def ray_says(monkeypatch: pytest.MonkeyPatch, *living: str, here: str = "head") -> None:
    """A cluster of these nodes, seen from `here`; a dead one is no node."""
    rows = [{"NodeID": "gone", "Alive": False, "Resources": {}}]
    for node in living:
        resources = {HEAD: 1.0} if node == "head" else {}
        rows.append({"NodeID": node, "Alive": True, "Resources": resources})
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray, "nodes", lambda: rows)
    context = SimpleNamespace(get_node_id=lambda: here)
    monkeypatch.setattr(ray, "get_runtime_context", lambda: context)


def settings(home: Path, url: str | None = None) -> Settings:
    return Settings.model_validate({"home": home, "database_url": url})


def test_nothing_is_deployed_on_several_nodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray_says(monkeypatch, "head", "other")

    with pytest.raises(SqliteNeedsSingleNode, match="same PostgreSQL"):
        check_store_to_deploy(settings(tmp_path))


def test_one_node_may_have_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ray_says(monkeypatch, "head")

    check_store_to_deploy(settings(tmp_path))
    check_store_to_start(settings(tmp_path))


def test_a_replica_on_a_node_that_joined_later_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray_says(monkeypatch, "head", "other", here="other")

    with pytest.raises(SqliteNeedsSingleNode):
        check_store_to_start(settings(tmp_path))


def test_on_the_head_a_replica_that_is_replaced_starts_and_warns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ray_says(monkeypatch, "head", "other")

    check_store_to_start(settings(tmp_path))

    assert "SQLite supports one node" in caplog.text


def test_a_postgresql_serves_any_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ray_says(monkeypatch, "head", "other", here="other")

    check_store_to_deploy(settings(tmp_path, POSTGRES))
    check_store_to_start(settings(tmp_path, POSTGRES))
