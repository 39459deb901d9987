"""Stored responses are unguarded; every reading of them is checked, whoever reads and how."""

import asyncio
from typing import Any

import httpx
import orjson
import pytest
from starlette.types import ASGIApp

from cluster.tenants.plan import Feature, Plan
from deployments.guardrails.spec import GuardrailConfig
from tests.api.caching.answers import turns
from tests.api.fakes import WordsModel
from tests.api.guardrails.guarded_world import (
    ASKED,
    CLEAN,
    FLAGGING,
    LEAKY,
    REDACTING,
    REFUSING,
    URL,
    GuardedWorld,
    joined,
)
from tests.api.web import ADMIN_KEY, client_of
from tests.api.wire import Wire

POLICIES: dict[str, Any] = {
    "policies": {"strict": {"rules": [REDACTING]}, "closed": {"rules": [REFUSING]}}
}


def text(answer: httpx.Response) -> str:
    return str(answer.json()["choices"][0]["message"]["content"])


def two_policies(world: GuardedWorld) -> ASGIApp:
    """Which plans may name; none by default."""
    return world.app(GuardrailConfig.model_validate(POLICIES))


def on_plans(world: GuardedWorld) -> httpx.AsyncClient:
    return client_of(two_policies(world))


@pytest.mark.parametrize("stream", [False, True])
async def test_a_response_from_memory_is_checked(
    world: GuardedWorld, model: WordsModel, stream: bool
) -> None:
    web = world.web(REDACTING)
    answers = [await web.post(URL, json={**ASKED, "stream": stream}) for _ in range(3)]

    assert len(model.requests) == 1
    assert [joined(each.text) if stream else text(each) for each in answers] == [CLEAN] * 3


async def test_a_response_that_was_stored_before_the_plan_had_guardrails_is_checked(
    world: GuardedWorld, model: WordsModel
) -> None:
    web = on_plans(world)
    for _ in range(3):
        assert text(await web.post(URL, json=ASKED)) == LEAKY
    world.plans["acme"] = Plan(id="default", guardrails=("strict",))
    assert text(await web.post(URL, json=ASKED)) == CLEAN
    world.plans["acme"] = Plan(id="default", guardrails=("closed",))
    assert text(await web.post(URL, json=ASKED)) == ""
    world.plans["acme"] = Plan(id="default")
    assert text(await web.post(URL, json=ASKED)) == LEAKY
    assert len(model.requests) == 1


async def fast(app: ASGIApp, body: Any) -> str:
    """The text of the answer to a body that comes in one piece, as the fast path wants it."""
    headers = [("authorization", f"Bearer {ADMIN_KEY}"), ("content-type", "application/json")]
    wire = Wire(app, URL, headers=headers).start().body(orjson.dumps(body))
    await wire.ended()
    return str(orjson.loads(wire.text)["choices"][0]["message"]["content"])


def known_bodies(world: GuardedWorld) -> int:
    """Of requests that the fast path answers."""
    assert world.caches.memory is not None
    return len(world.caches.memory.aliases)


async def test_the_fast_path_answers_only_what_nothing_was_found_in(
    world: GuardedWorld, model: WordsModel
) -> None:
    app = two_policies(world)
    world.plans["acme"] = Plan(id="default", guardrails=("strict",))
    model.words = ["all", "is", "well"]
    for _ in range(3):
        assert await fast(app, ASKED) == "all is well"
    assert known_bodies(world) == 1

    model.words = LEAKY.split()
    leaking = {**ASKED, "messages": [{"role": "user", "content": "Another one?"}]}
    for _ in range(3):
        assert await fast(app, leaking) == CLEAN
    assert known_bodies(world) == 1
    assert len(model.requests) == 2


async def test_known_bytes_are_known_under_one_plan_s_policies(
    world: GuardedWorld, model: WordsModel
) -> None:
    app = two_policies(world)
    for _ in range(3):
        assert await fast(app, ASKED) == LEAKY
    world.plans["acme"] = Plan(id="default", guardrails=("strict",))

    assert await fast(app, ASKED) == CLEAN
    world.plans["acme"] = Plan(id="default", guardrails=("closed",))
    assert await fast(app, ASKED) == ""
    assert len(model.requests) == 1


async def test_a_response_that_was_rendered_under_one_policy_is_not_sent_under_another(
    world: GuardedWorld, model: WordsModel
) -> None:
    """What known bytes lead to may be replaced while another policy holds."""
    app = two_policies(world)
    model.words = ["all", "is", "well"]
    world.plans["acme"] = Plan(id="default", guardrails=("strict",))
    assert await fast(app, ASKED) == "all is well"
    world.plans["acme"] = Plan(id="default")
    model.words = LEAKY.split()
    await client_of(app).post(URL, json=ASKED, headers={"Cache-Control": "no-cache"})
    for _ in range(2):
        assert await fast(app, ASKED) == LEAKY
    world.plans["acme"] = Plan(id="default", guardrails=("strict",))

    for _ in range(2):
        assert await fast(app, ASKED) == CLEAN


async def test_flags_are_counted_on_every_reading(world: GuardedWorld) -> None:
    web = world.web(FLAGGING)

    answers = [await web.post(URL, json=ASKED) for _ in range(3)]

    assert [each.headers["mobula-guardrails"] for each in answers] == ["house/pii;flag"] * 3
    assert len(world.found()) == 3


@pytest.mark.parametrize("stream", [False, True])
async def test_who_waits_for_another_request_s_computation_is_checked_by_the_own_policy(
    world: GuardedWorld, model: WordsModel, stream: bool
) -> None:
    web = on_plans(world)
    model.hold = asyncio.Event()
    body = {**ASKED, "stream": stream}
    first = asyncio.create_task(web.post(URL, json=body))
    await turns(lambda: model.open == 1)
    world.plans["acme"] = Plan(id="default", guardrails=("strict",))
    second = asyncio.create_task(web.post(URL, json=body))
    for _ in range(50):
        await asyncio.sleep(0)
    model.hold.set()
    answers = [await first, await second]

    assert len(model.requests) == 1
    found = [joined(each.text) if stream else text(each) for each in answers]
    assert found == [LEAKY, CLEAN]


async def test_a_response_to_a_request_of_the_same_meaning_is_checked(
    world: GuardedWorld, model: WordsModel
) -> None:
    web = on_plans(world)
    semantic = frozenset({Feature.SEMANTIC_CACHE})
    world.plans["acme"] = Plan(id="default", features=semantic)
    details: list[str] = []
    for number in range(60):
        await ask_like(world, web, number)
    world.plans["acme"] = Plan(id="default", features=semantic, guardrails=("strict",))
    for number in range(100, 130):
        answer = await ask_like(world, web, number)
        assert text(answer) == CLEAN
        details.append(answer.headers["cache-status"])

    assert any("semantic" in detail for detail in details)
    assert len(model.requests) < 90


async def ask_like(world: GuardedWorld, web: httpx.AsyncClient, number: int) -> httpx.Response:
    content = "dab cab " + "x" * (number + 1)
    answer = await web.post(URL, json={**ASKED, "messages": [{"role": "user", "content": content}]})
    semantic = world.caches.semantic
    await turns(lambda: semantic is not None and not semantic.learning)
    return answer
