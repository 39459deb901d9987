"""Two tenants that use equal ids, whatever they do in whichever order: they never meet.

Random steps over all routes of the library are compared with a model of each tenant's posts.
"""

import asyncio
import json
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster.library.status import RULES, PostStatus, PostTransition
from tests.api.administration.world import DRAFT, Seed, World, world_of
from tests.api.library.posting import POSTS
from tests.api.web import MakeServices

CALLERS = {"acme": "owner", "other": "stranger"}  # each owns a tenant
IDS = ("a", "b", "c")
_T = PostTransition


@dataclass
class Expected:
    """A post as a tenant knows it."""

    bodies: list[str]
    status: PostStatus = PostStatus.DRAFT
    revision: int = 1
    tags: list[str] = field(default_factory=list)
    clicks: int = 0

    @property
    def body(self) -> str:
        return self.bodies[-1]


@dataclass
class Libraries:
    """Both tenants' posts, and the application that has them."""

    world: World
    posts: dict[str, dict[str, Expected]] = field(default_factory=lambda: {"acme": {}, "other": {}})
    step: int = 0

    async def ask(self, tenant: str, method: str, path: str = "", **rest: Any) -> httpx.Response:
        return await self.world.ask(CALLERS[tenant], method, f"{POSTS}{path}", **rest)

    async def run(self, tenant: str, name: str, id: str, pick: int) -> None:
        self.step += 1
        await getattr(self, name)(tenant, id, pick)

    async def create(self, tenant: str, id: str, pick: int) -> None:
        body = f"{tenant} wrote {id} in step {self.step}"
        answer = await self.ask(tenant, "POST", json={"id": id, "body": body})
        taken = id in self.posts[tenant]
        assert answer.status_code == (409 if taken else 201), answer.text
        if not taken:
            self.posts[tenant][id] = Expected([body])

    async def edit(self, tenant: str, id: str, pick: int) -> None:
        body = f"{tenant} edited {id} in step {self.step}"
        post = self.posts[tenant].get(id)
        answer = await self._change(tenant, "PATCH", f"/{id}", post, pick, {"body": body})
        if self._is_allowed(answer, post, pick, is_draft=True):
            assert post is not None
            post.bodies.append(body)
            post.revision += 1

    async def restore(self, tenant: str, id: str, pick: int) -> None:
        post = self.posts[tenant].get(id)
        answer = await self._change(tenant, "POST", f"/{id}/restore", post, pick, {"version": 1})
        if self._is_allowed(answer, post, pick, is_draft=True):
            assert post is not None
            post.bodies.append(post.bodies[0])
            post.revision += 1

    async def move(self, tenant: str, id: str, pick: int) -> None:
        transition = list(_T)[pick % len(_T)]
        post = self.posts[tenant].get(id)
        body: dict[str, Any] = {"transition": transition}
        if transition in (_T.SCHEDULE, _T.RESCHEDULE):
            body["at"] = "2030-01-01T00:00:00Z"
        answer = await self._change(tenant, "POST", f"/{id}/transitions", post, 1, body)
        if post is None:
            assert answer.status_code == 404
        elif post.status not in RULES[transition].sources:
            assert answer.status_code == 409, answer.text
        else:
            assert answer.status_code == 200, answer.text
            post.status, post.revision = RULES[transition].target, post.revision + 1

    async def delete(self, tenant: str, id: str, pick: int) -> None:
        post = self.posts[tenant].get(id)
        answer = await self._change(tenant, "DELETE", f"/{id}", post, pick)
        if self._is_allowed(answer, post, pick, status=204):
            del self.posts[tenant][id]

    async def tag(self, tenant: str, id: str, pick: int) -> None:
        """All ids at once; those that are not there, or are archived, are refused."""
        tag = f"{tenant}-{pick % 3}"
        body = {"posts": [{"id": each} for each in IDS], "tags": {"add": [tag]}}
        answer = (await self.ask(tenant, "POST", "/bulk", json=body)).json()
        for result in answer["data"]:
            post = self.posts[tenant].get(result["id"])
            if post is None or (post.status is PostStatus.ARCHIVED and tag not in post.tags):
                assert result["status"] == "failed"
            elif tag not in post.tags:
                post.tags.append(tag)
                post.revision += 1

    async def report(self, tenant: str, id: str, pick: int) -> None:
        event = {"id": f"event-{pick}", "name": "click", "count": pick + 1}
        event |= {"subject": {"kind": "post", "id": id}}
        path = "/api/v1/analytics/events"
        body = {"events": [event]}
        answer = await self.world.ask(CALLERS[tenant], "POST", path, json=body)
        if answer.json()["accepted"] and id in self.posts[tenant]:
            self.posts[tenant][id].clicks += pick + 1

    async def _change(
        self,
        tenant: str,
        method: str,
        path: str,
        post: Expected | None,
        pick: int,
        body: dict[str, Any] | None = None,
    ) -> httpx.Response:
        """With the ETag that the tenant has seen; a multiple of 5 picks a stale one."""
        revision = 1 if post is None else post.revision - (pick % 5 == 0)
        headers = {"If-Match": f'"{revision}"'}
        return await self.ask(tenant, method, path, json=body, headers=headers)

    def _is_allowed(
        self,
        answer: httpx.Response,
        post: Expected | None,
        pick: int,
        *,
        is_draft: bool = False,
        status: int = 200,
    ) -> bool:
        if post is None:
            expected = 404
        elif pick % 5 == 0:
            expected = 412
        elif is_draft and post.status is not PostStatus.DRAFT:
            expected = 409
        else:
            expected = status
        assert answer.status_code == expected, answer.text
        return expected == status

    async def check(self) -> None:
        """Each way to read answers each tenant's own posts, and nothing else."""
        for tenant, posts in self.posts.items():
            listed = (await self.ask(tenant, "GET")).json()
            assert self._own(listed["data"]) == {
                id: (post.status, post.revision) for id, post in posts.items()
            }
            exported = (await self.ask(tenant, "GET", "/export")).text.splitlines()
            bodies = {each["id"]: each["body"] for each in map(json.loads, exported)}
            bodies.pop(DRAFT.id, None)
            assert bodies == {id: post.body for id, post in posts.items()}
            for word in CALLERS:
                found = (await self.ask(tenant, "GET", f"?q={word}")).json()["data"]
                assert set(self._own(found)) == (set(posts) if word == tenant else set())
                tagged = (await self.ask(tenant, "GET", f"?tag={word}-0")).json()["data"]
                expected = {id for id, post in posts.items() if f"{word}-0" in post.tags}
                assert set(self._own(tagged)) == expected
            for id in IDS:
                await self._check_one(tenant, id, posts.get(id))

    async def _check_one(self, tenant: str, id: str, post: Expected | None) -> None:
        shown = await self.ask(tenant, "GET", f"/{id}")
        versions = await self.ask(tenant, "GET", f"/{id}/versions")
        metrics = await self.ask(tenant, "GET", f"/{id}/metrics")
        similar = await self.ask(tenant, "GET", f"/{id}/similar")
        answers = (shown, versions, metrics, similar)
        if post is None:
            assert [answer.status_code for answer in answers] == [404] * 4
            return
        assert (shown.json()["body"], shown.json()["tags"]) == (post.body, post.tags)
        texts = [each["body"] for each in reversed(versions.json()["data"])]
        assert texts == post.bodies
        assert metrics.json()["total"]["clicks"] >= post.clicks
        assert set(self._own(similar.json()["data"])) == set(self.posts[tenant]) - {id}

    def _own(self, posts: Iterable[dict[str, Any]]) -> dict[str, tuple[str, int]]:
        return {
            each["id"]: (each["status"], each["revision"])
            for each in posts
            if each["id"] != DRAFT.id
        }


STEPS = ("create", "create", "edit", "restore", "move", "move", "move", "delete", "tag", "report")
Step = tuple[str, str, str, int]
ANY_STEPS = st.lists(
    st.tuples(
        st.sampled_from(tuple(CALLERS)),
        st.sampled_from(STEPS),
        st.sampled_from(IDS),
        st.integers(0, 11),
    ),
    min_size=5,
    max_size=30,
)


def _run(steps: list[Step], seed: Seed, make_services: MakeServices) -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with world_of(seed, Path(folder) / "home", make_services) as world:
                libraries = Libraries(world)
                for tenant, name, id, pick in steps:
                    await libraries.run(tenant, name, id, pick)
                await libraries.check()

    asyncio.run(run())


def _settings(examples: int) -> Callable[[Any], Any]:
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )


@_settings(3)
@given(steps=ANY_STEPS)
def test_two_tenants_with_equal_ids_never_meet(
    steps: list[Step], seed: Seed, make_services: MakeServices
) -> None:
    _run(steps, seed, make_services)


@pytest.mark.exhaustive
@_settings(100)
@given(steps=ANY_STEPS)
def test_two_tenants_with_equal_ids_never_meet_in_many_runs(
    steps: list[Step], seed: Seed, make_services: MakeServices
) -> None:
    _run(steps, seed, make_services)
