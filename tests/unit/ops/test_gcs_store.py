"""What Ray is told of the Redis that keeps a head's state, and how long a cluster has its name."""

from pathlib import Path

import pytest

from cluster.ops import gcs_store
from cluster.ops.gcs_store import GcsStore
from cluster.runtime.settings import Settings


def settings(home: Path, url: str | None = "redis://127.0.0.1:1") -> Settings:
    return Settings.model_validate({"home": home, "gcs_redis_url": url})


def test_ray_finds_the_server_in_its_environment_and_the_password_among_its_options() -> None:
    store = GcsStore("redis://ray:s%40fe@10.0.0.9:6380/0", "c1")

    assert store.environment() == {
        "RAY_REDIS_ADDRESS": "10.0.0.9:6380",
        "RAY_external_storage_namespace": "c1",
    }
    assert store.options() == ["--redis-username", "ray", "--redis-password", "s@fe"]


def test_tls_is_said_as_ray_reads_it() -> None:
    assert GcsStore("rediss://h", "c1").environment()["RAY_REDIS_ADDRESS"] == "rediss://h:6379"


@pytest.mark.parametrize("url", ["http://h:1", "redis:///0", "h:6379"])
def test_what_is_no_redis_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="MOBULA_GCS_REDIS_URL has the form redis://"):
        GcsStore(url, "c1")


def test_another_database_is_refused_because_ray_knows_one() -> None:
    with pytest.raises(ValueError, match="selects a database"):
        GcsStore("redis://h:6379/3", "c1")


def test_up_is_told_why_it_cannot_be_used(tmp_path: Path) -> None:
    assert gcs_store.connection_error(settings(tmp_path, None)) is None
    assert "has the form" in (gcs_store.connection_error(settings(tmp_path, "http://h")) or "")
    silent = gcs_store.connection_error(settings(tmp_path)) or ""
    assert silent.startswith("the Redis of MOBULA_GCS_REDIS_URL cannot be used")
    assert not gcs_store.has_saved_state(settings(tmp_path))


def test_a_cluster_keeps_its_name_until_it_is_ended_for_good(tmp_path: Path) -> None:
    first = gcs_store.from_settings(settings(tmp_path))
    again = gcs_store.from_settings(settings(tmp_path))
    assert first == again
    assert gcs_store.has_saved_state(settings(tmp_path))

    gone = gcs_store.forget(settings(tmp_path))

    assert gone is False  # nobody answers at that port, and that is said
    assert not gcs_store.has_saved_state(settings(tmp_path))
    assert gcs_store.from_settings(settings(tmp_path)) != first


def test_without_a_redis_nothing_is_kept(tmp_path: Path) -> None:
    assert gcs_store.from_settings(settings(tmp_path, None)) is None
    assert not gcs_store.has_saved_state(settings(tmp_path, None))
    assert gcs_store.forget(settings(tmp_path, None))
