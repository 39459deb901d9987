"""The fast path answers the bytes of a request by an alias, and freezes no choice."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.types import ASGIApp

from cluster.tenants.settings import TenantSettings
from deployments.ingress.cache_stack import CacheStack
from deployments.ingress.http.app import create_app
from deployments.ingress.services import AppServices
from tests.api.fakes import WordsModel
from tests.api.names.conftest import Settings
from tests.api.names.doors import CHAT, TURN
from tests.api.web import ADMIN_KEY
from tests.api.wire import Wire


@dataclass(frozen=True)
class Answer:
    model: str
    content: str
    headers: dict[str, str]


@pytest.fixture
def app(services: AppServices) -> ASGIApp:
    return create_app(services)


def body(model: str, **fields: Any) -> bytes:
    return json.dumps({"model": model, "messages": [TURN], "temperature": 0, **fields}).encode()


async def send(app: ASGIApp, content: bytes, id: str = "request-1") -> Answer:
    """As a server does: with the whole body in one message."""
    headers = [
        ("authorization", f"Bearer {ADMIN_KEY}"),
        ("content-type", "application/json"),
        ("content-length", str(len(content))),
        ("x-request-id", id),
    ]
    wire = await Wire(app, CHAT, headers=headers).body(content).start().ended()
    assert wire.status == 200
    answer = json.loads(wire.text)
    fields = {name.decode(): value.decode() for name, value in wire.sent[0]["headers"]}
    assert answer["id"] == f"chatcmpl-{id}"
    return Answer(answer["model"], answer["choices"][0]["message"]["content"], fields)


def frozen(caches: CacheStack) -> int:
    """How many bodies the fast path knows."""
    assert caches.memory is not None
    return len(caches.memory.aliases)


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("gpt-4o-mini", "words"),
        ("house-words", "words"),
        ("openai/gpt-4o", "openai-gpt-4o"),
    ],
)
async def test_the_bytes_of_a_plain_alias_are_known(
    app: ASGIApp, caches: CacheStack, name: str, target: str
) -> None:
    first = await send(app, body(name))
    known = frozen(caches)
    fast = await send(app, body(name), "request-2")

    assert known == 1
    assert "detail=l1" in fast.headers["cache-status"]
    assert (fast.model, fast.content) == (target, first.content)
    assert fast.headers["mobula-model"] == first.headers["mobula-model"] == target


async def test_a_models_id_is_answered_without_the_header(app: ASGIApp, caches: CacheStack) -> None:
    answers = [await send(app, body(name)) for name in ("gpt-4o-mini", "words", "words")]

    assert frozen(caches) == 2
    assert "detail=l1" in answers[2].headers["cache-status"]
    assert "mobula-model" not in answers[2].headers


async def test_ignored_fields_are_told_beside_the_model(app: ASGIApp) -> None:
    content = body("gpt-4o-mini", temprature=1)

    answers = [await send(app, content) for _ in range(3)]

    assert {each.headers["mobula-ignored"] for each in answers} == {"temprature"}
    assert {each.headers["mobula-model"] for each in answers} == {"words"}


@pytest.mark.parametrize("name", ["canary", "mine", "by-size", "by-tenant"])
async def test_names_that_may_lead_elsewhere_are_not_frozen(
    app: ASGIApp, caches: CacheStack, name: str
) -> None:
    for _ in range(3):
        await send(app, body(name))

    assert frozen(caches) == 0


async def test_a_changed_default_counts_at_once(
    app: ASGIApp, caches: CacheStack, tenant_settings: Settings
) -> None:
    for expected in ("words", "spare", "words"):
        tenant_settings.by_tenant["acme"] = TenantSettings(default_model=expected)
        for content in (body(""), body("default")):
            assert (await send(app, content)).model == expected

    assert frozen(caches) == 0


async def test_a_canary_divides_equal_requests_that_are_cached(
    app: ASGIApp, model: WordsModel, others: dict[str, WordsModel]
) -> None:
    for _ in range(2):
        models = {(await send(app, body("canary"), f"request-{at}")).model for at in range(30)}
        assert models == {"words", "spare"}
    assert len(model.requests) == len(others["spare"].requests) == 1
