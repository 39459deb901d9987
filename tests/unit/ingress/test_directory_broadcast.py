"""A change is known to every replica's directory before it is answered."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from cluster.storage.database import DatabaseUnavailable
from deployments.ingress import directory_broadcast
from deployments.ingress.directory_broadcast import DirectoryBroadcast


class Directory:
    """Reads the changes that were `committed` when it is refreshed."""

    def __init__(self) -> None:
        self.version = 0
        self.committed = 0
        self.is_away = False

    async def refresh(self) -> None:
        if self.is_away:
            raise DatabaseUnavailable
        self.version = self.committed

    def secret_of(self, tenant: str) -> bytes:
        return b"secret of " + tenant.encode()

    def jwks(self) -> Mapping[str, Any]:
        return {"keys": []}


class Others:
    """The other replicas; they answer once `answer` is set."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.answer = asyncio.Event()
        self.answer.set()

    async def ask(self, method: str, *arguments: Any) -> list[Any]:
        self.asked.append((method, *arguments))
        await self.answer.wait()
        return []


@pytest.fixture
def directory() -> Directory:
    return Directory()


@pytest.fixture
def others() -> Others:
    return Others()


@pytest.fixture
def broadcast(directory: Directory, others: Others) -> DirectoryBroadcast:
    made = DirectoryBroadcast(directory)
    made.peers = others
    return made


async def test_a_change_is_read_here_and_by_the_others(
    broadcast: DirectoryBroadcast, directory: Directory, others: Others
) -> None:
    directory.committed = 1

    await broadcast.refresh()

    assert directory.version == 1
    assert others.asked == [("report", "directory")]


async def test_a_change_that_a_poll_has_read_already_is_told_all_the_same(
    broadcast: DirectoryBroadcast, directory: Directory, others: Others
) -> None:
    directory.committed = directory.version = 1

    await broadcast.refresh()

    assert len(others.asked) == 1


async def test_what_is_not_in_directories_is_told_to_nobody(
    broadcast: DirectoryBroadcast, directory: Directory, others: Others
) -> None:
    """As a post of the library."""
    directory.committed = 1
    await broadcast.refresh()

    await broadcast.refresh()

    assert len(others.asked) == 1


async def test_others_that_do_not_answer_hold_a_change_up_for_a_moment(
    broadcast: DirectoryBroadcast,
    directory: Directory,
    others: Others,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(directory_broadcast, "WAIT_S", 0.01)
    others.answer.clear()
    directory.committed = 1

    await broadcast.refresh()

    assert len(others.asked) == 1
    others.answer.set()


async def test_while_the_store_is_away_nobody_is_asked(
    broadcast: DirectoryBroadcast, directory: Directory, others: Others
) -> None:
    directory.is_away = True

    with pytest.raises(DatabaseUnavailable):
        await broadcast.refresh()
    await broadcast.refresh_own()  # for another replica, which must not fail by it

    assert others.asked == []


async def test_the_only_replica_asks_nobody(directory: Directory) -> None:
    alone = DirectoryBroadcast(directory)
    directory.committed = 1

    await alone.refresh()

    assert directory.version == 1


def test_everything_else_is_the_directory_s(broadcast: DirectoryBroadcast) -> None:
    assert broadcast.secret_of("acme") == b"secret of acme"
    assert broadcast.jwks() == {"keys": []}
