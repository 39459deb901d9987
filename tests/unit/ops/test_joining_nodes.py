"""What `join` refuses before it starts anything."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.ops import start_plan as plans
from cluster.ops.joining import JoinPlan, check
from cluster.ops.start_plan import StartFailed
from cluster.runtime.settings import Settings

ENOUGH = {
    "database_url": "postgresql+asyncpg://m@/m",
    "pepper": "p" * 32,
    "node_address": "10.0.0.7",
}


@pytest.fixture(autouse=True)
def _free_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "find_conflict", lambda _ports: [])


@pytest.fixture
def head() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def plan(home: Path, head: str, **changes: object) -> JoinPlan:
    (home / "ray.token").write_text("t")
    return JoinPlan(Settings.model_validate({"home": home, **ENOUGH, **changes}), head)


def test_a_node_with_all_it_needs_is_let_through(tmp_path: Path, head: str) -> None:
    check(plan(tmp_path, head))


def test_sqlite_is_refused_with_the_setting_that_names_a_postgresql(
    tmp_path: Path, head: str
) -> None:
    with pytest.raises(StartFailed, match="SQLite supports one node.*MOBULA_DATABASE_URL"):
        check(plan(tmp_path, head, database_url=None))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [({"pepper": None}, "MOBULA_PEPPER"), ({"node_address": "127.0.0.1"}, "MOBULA_NODE_ADDRESS")],
)
def test_what_is_missing_is_named(tmp_path: Path, changes: dict[str, str], sentence: str) -> None:
    with pytest.raises(StartFailed, match=sentence):
        check(plan(tmp_path, "10.0.0.5:6480", **changes))


def test_without_the_heads_token_nothing_is_tried(tmp_path: Path, head: str) -> None:
    asked = plan(tmp_path, head)
    (tmp_path / "ray.token").unlink()

    with pytest.raises(StartFailed, match="copy the head's ray.token"):
        check(asked)


@pytest.mark.parametrize("head", ["10.0.0.5", "10.0.0.5:", ":6480", "here:there"])
def test_what_is_no_address_is_refused(tmp_path: Path, head: str) -> None:
    with pytest.raises(StartFailed, match="is not the head's address"):
        check(plan(tmp_path, head))


def test_a_head_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match=r"nothing answers at 127\.0\.0\.1:1"):
        check(plan(tmp_path, "127.0.0.1:1"))
