"""Two tenants with keys, names and bodies that are equal never meet, whatever they do."""

import asyncio
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.api.batches.batch_world import CHAT, OURS, THEIRS, BatchWorld, opened
from tests.api.fake_services import Fakes, services_over

keys = st.sampled_from([OURS, THEIRS])


class TwoTenants(RuleBasedStateMachine):
    """`made` are the batches of each key, by id, with the number of their items."""

    def __init__(self) -> None:
        super().__init__()
        self.runner, self.stack = asyncio.Runner(), AsyncExitStack()
        self.made: dict[str, dict[str, int]] = {OURS: {}, THEIRS: {}}
        self.folder = tempfile.TemporaryDirectory()
        self.world: BatchWorld = self.run(self._open())

    async def _open(self) -> BatchWorld:
        fakes, folder = Fakes(), Path(self.folder.name)
        services = services_over(fakes, folder, lambda _: None)
        return await self.stack.enter_async_context(opened(folder, services, fakes.records))

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    def pick(self, key: str, number: int) -> str | None:
        ids = sorted(self.made[key])
        return ids[number % len(ids)] if ids else None

    @rule(key=keys, items=st.integers(1, 3))
    def create(self, key: str, items: int) -> None:
        made = self.run(self.world.create(*[CHAT] * items, key=key))
        assert made["http"] == 202
        self.made[key][made["id"]] = items

    @rule(key=keys, number=st.integers(0, 9))
    def read(self, key: str, number: int) -> None:
        id = self.pick(key, number)
        if id is not None:
            ended = self.run(self.world.ended(id, key))
            found = self.run(self.world.items(id, key))
            assert ended["counts"]["total"] == len(found) == self.made[key][id]
            tenant = self.world.keys.callers[key].tenant
            calls = self.world.records.calls
            assert {each["request_id"] for each in found if each["request_id"]} <= {
                f"{id}-{index}" for index in range(len(found))
            }
            assert all(caller.tenant in ("acme", "other") for caller, *_ in calls)
            assert any(caller.tenant == tenant for caller, *_ in calls) or not calls

    @rule(key=keys, number=st.integers(0, 9))
    def cancel(self, key: str, number: int) -> None:
        id = self.pick(key, number)
        if id is not None:
            assert self.run(self.world.ask("POST", f"/{id}/cancel", key)).status_code == 200

    @rule(key=keys, number=st.integers(0, 9))
    def delete(self, key: str, number: int) -> None:
        id = self.pick(key, number)
        if id is not None:
            self.run(self.world.ended(id, key))
            assert self.run(self.world.ask("DELETE", f"/{id}", key)).status_code == 204
            del self.made[key][id]

    @rule(key=keys, number=st.integers(0, 9))
    def reach_for_the_others(self, key: str, number: int) -> None:
        id = self.pick(THEIRS if key == OURS else OURS, number)
        if id is not None:
            for method, path in (
                ("GET", ""), ("GET", "/items"), ("POST", "/cancel"), ("DELETE", ""),
            ):  # fmt: skip
                answer = self.run(self.world.ask(method, f"/{id}{path}", key))
                assert answer.status_code == 404
                unknown = self.run(self.world.ask(method, f"/job_unknown{path}", key))
                assert answer.json()["detail"] == unknown.json()["detail"].replace(
                    "job_unknown", id
                )

    @invariant()
    def each_lists_its_own(self) -> None:
        for key, made in self.made.items():
            listed = self.run(self.world.ask("GET", key=key)).json()["data"]
            assert {each["id"] for each in listed} == set(made)

    def teardown(self) -> None:
        self.run(self.stack.aclose())
        self.runner.close()
        self.folder.cleanup()


TestTwoTenants = TwoTenants.TestCase
TestTwoTenants.settings = settings(max_examples=4, stateful_step_count=8, deadline=None)
