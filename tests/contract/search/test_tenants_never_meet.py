"""Two tenants whose collections have the same names, and whose points have the same ids."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from cluster.collections.generations import GenerationRepository
from cluster.collections.model import Collection, PointDraft
from cluster.collections.points import PointRepository
from cluster.collections.purge import TOMBSTONE_S, purge_tombstones
from cluster.collections.repository import CollectionRepository
from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database
from deployments.search import snapshot_writer
from deployments.search.searcher import CollectionSearcher
from tests.contract.collections.conftest import StoredCollections
from tests.contract.search.searched import circle, request_for

TENANTS, NAMES = st.sampled_from(("acme", "other")), st.sampled_from(("posts", "notes"))
IDS = st.sampled_from([f"p{number}" for number in range(6)])
Key = tuple[str, str]


class TwoTenants(RuleBasedStateMachine):
    """What each collection must have, beside what searches find in it."""

    url = ""
    folder = Path()

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = ManualClock()
        self.database = Database(self.url)
        self.stored = StoredCollections(
            self.database,
            CollectionRepository(self.clock),
            PointRepository(self.clock),
            GenerationRepository(self.clock),
        )
        self.made: dict[Key, Collection] = {}
        self.expected: dict[Key, dict[str, str]] = {}
        self.restarts = 0
        self.searcher = self.run(self.start())

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    async def start(self) -> CollectionSearcher:
        # Room for two collections of four, so that they leave the memory and come back.
        return CollectionSearcher(self.database, 3_000, self.folder)

    @rule(tenant=TENANTS, name=NAMES, ids=st.sets(IDS, min_size=1), word=st.integers(0, 3))
    def put(self, tenant: str, name: str, ids: set[str], word: int) -> None:
        key = (tenant, name)
        if key not in self.made:
            self.made[key] = self.run(self.stored.create(tenant, name))
            self.expected[key] = {}
        text = f"{tenant} {name} word{word}"
        drafts = [
            PointDraft(id, text, {"tenant": tenant}, circle(0.1 * at))
            for at, id in enumerate(sorted(ids))
        ]
        self.run(self.stored.put(self.made[key], drafts, tenant))
        self.expected[key].update(dict.fromkeys(ids, text))

    @rule(tenant=TENANTS, name=NAMES, ids=st.sets(IDS, min_size=1))
    def delete(self, tenant: str, name: str, ids: set[str]) -> None:
        if (made := self.made.get((tenant, name))) is not None:
            self.run(self.stored.delete(made.id, *ids, tenant=tenant))
            for id in ids:
                self.expected[tenant, name].pop(id, None)

    @rule(tenant=TENANTS, name=NAMES)
    def delete_collection(self, tenant: str, name: str) -> None:
        made = self.made.pop((tenant, name), None)
        if made is not None:

            async def gone() -> None:
                async with self.database.begin() as connection:
                    await self.stored.collections.delete(connection, tenant, made.id)

            self.run(gone())
            del self.expected[tenant, name]

    @rule(tenant=TENANTS, name=NAMES, angle=st.sampled_from((None, 0.0)), fused=st.booleans())
    def search(self, tenant: str, name: str, angle: float | None, fused: bool) -> None:
        if (tenant, name) not in self.made:
            return
        now = self.run(self.stored.get(name, tenant))
        fusion = "ranks" if fused else "scores"
        request = request_for(now, "acme other", tenant, angle=angle, fusion=fusion)
        hits = self.run(self.searcher.search(request)).hits
        assert {hit.id: hit.text for hit in hits} == self.expected[tenant, name]
        assert all(hit.payload == {"tenant": tenant} for hit in hits)

    @rule(tenant=TENANTS, name=NAMES)
    def ask_for_the_collection_of_another(self, tenant: str, name: str) -> None:
        """With its id, which the ingress would not find."""
        if (made := self.made.get((tenant, name))) is not None:
            stranger = "other" if tenant == "acme" else "acme"
            now = self.run(self.stored.get(made.id, tenant))
            for mode in ("hybrid", "match"):
                request = request_for(now, "acme other", stranger, angle=0.0, mode=mode)
                assert self.run(self.searcher.search(request)).hits == ()

    @rule()
    def sweep(self) -> None:
        self.clock.advance(TOMBSTONE_S + 1)
        self.run(purge_tombstones(self.database.begin, self.clock.wall()))
        self.run(self.searcher.sweeper.run_once())

    @rule()
    def restart(self) -> None:
        self.run(self.close())
        self.searcher = self.run(self.start())

    async def close(self) -> None:
        assert self.searcher.snapshots is not None
        await self.searcher.snapshots.finished()
        await self.searcher.close()

    def teardown(self) -> None:
        for tenant, name in list(self.made):
            self.delete_collection(tenant, name)
        self.run(self.close())
        self.run(self.database.close())
        self.loop.close()


def test_two_tenants_never_meet(
    tenants_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_writer, "SNAPSHOT_POINTS", 2)
    monkeypatch.setattr(snapshot_writer, "PAUSE_S", 0.0)
    monkeypatch.setattr(TwoTenants, "url", tenants_url)
    monkeypatch.setattr(TwoTenants, "folder", tmp_path / "search")
    quiet = settings(
        max_examples=6,
        stateful_step_count=20,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(TwoTenants, settings=quiet)
