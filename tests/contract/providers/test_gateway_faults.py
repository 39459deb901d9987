"""The whole application over upstreams that fail in every way: callers, ledger and budget.

A model has a fallback at another upstream, which is well. Whatever the first does, a caller gets
the right answer of one of them, or a typed problem, in time; and the ledger has what callers were
answered, which is what the upstreams counted.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments.providers.usage import estimated_tokens
from tests.contract.providers.polling import until
from tests.upstream_server import transport_faults as transport
from tests.upstream_server.answers import WORDS
from tests.upstream_server.application import GatewayApplication, gateway_application
from tests.upstream_server.faults import ANSWER, ESTIMATED, FAULTS, OTHER
from tests.upstream_server.provider_models import KEYS, model_settings
from tests.upstream_server.server import UpstreamServer

PATH = "/v1/chat/completions"
REQUESTS = 120
AT_ONCE = 8
# No request is to reach it, however busy the machine is: upstreams that hang are given up after
# half a second (provider_models.py), and a call whose time is up costs an estimate.
DEADLINE_S = 30.0
LATE_S = 5.0  # beyond the deadline, on a busy machine
ANSWERS = {ANSWER, ESTIMATED, OTHER}
ALWAYS_ASKED = {"retries": 1, "fallback": ["spare"], "breaker": {"min_requests": 100_000}}
USUAL = [
    fault
    for fault in FAULTS.values()
    if "openai" in fault.engines and fault.fields is None and not fault.is_big
]
WHOLE = [
    fault
    for fault in USUAL
    if fault.whole == (ANSWER,) or (fault.whole and not {*fault.whole} & ANSWERS)
]
STREAMED = [fault for fault in USUAL if fault.stream and OTHER not in fault.stream]


@pytest.fixture
async def spare() -> AsyncIterator[UpstreamServer]:
    async with UpstreamServer() as server:
        yield server


@pytest.fixture
async def gateway(
    upstream: UpstreamServer,
    spare: UpstreamServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[GatewayApplication]:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    models = [
        model_settings([upstream], resilience=ALWAYS_ASKED),
        {**model_settings([spare]), "id": "spare"},
    ]
    async with gateway_application(tmp_path / "home", models) as application:
        yield application


def chat(number: int, **fields: Any) -> dict[str, Any]:
    """A body that no cache has an answer to."""
    messages = [{"role": "user", "content": f"request {number}"}]
    return {"model": "m", "messages": messages, "temperature": 1, **fields}


async def send(
    gateway: GatewayApplication, body: dict[str, Any], deadline_s: float = DEADLINE_S
) -> httpx.Response:
    loop = asyncio.get_running_loop()
    began = loop.time()
    response = await gateway.client.post(
        PATH, json=body, headers={"Mobula-Timeout": str(deadline_s)}
    )
    assert loop.time() - began < deadline_s + LATE_S
    gateway.ask_all_upstreams()
    return response


async def send_all(
    gateway: GatewayApplication, bodies: list[dict[str, Any]]
) -> list[httpx.Response]:
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(body: dict[str, Any]) -> httpx.Response:
        async with slots:
            return await send(gateway, body)

    return await asyncio.gather(*map(one, bodies))


def require_typed(response: httpx.Response) -> None:
    error = response.json()["error"]
    assert response.status_code in (400, 502, 503, 504), error
    assert error["code"] or error["type"]
    assert "127.0.0.1" not in response.text


async def test_whole_answers_are_right_or_fall_back_and_the_ledger_has_each_once(
    gateway: GatewayApplication, upstream: UpstreamServer, spare: UpstreamServer
) -> None:
    chosen = random.Random(5)
    faults = [chosen.choice(WHOLE) for _ in range(REQUESTS)]
    upstream.next.extend(fault.respond for fault in faults)

    responses = await send_all(gateway, [chat(number) for number in range(REQUESTS)])

    usages = []
    for response in responses:
        if response.is_error:
            require_typed(response)
            continue
        body = response.json()
        assert body["choices"][0]["message"]["content"] == WORDS
        assert body["model"] in ("m", "spare")
        usages.append((body["usage"]["prompt_tokens"], body["usage"]["completion_tokens"]))
    answered = len(usages)
    assert answered > REQUESTS * 0.8
    assert spare.answered
    assert not upstream.next, "every fault was to be met"
    ledger = await gateway.ledger()
    assert ledger == (sum(each[0] for each in usages), sum(each[1] for each in usages))
    assert await gateway.budget() == sum(ledger)
    assert ledger == tuple(a + b for a, b in zip(upstream.usage, spare.usage, strict=True))


async def test_a_call_whose_time_is_up_costs_an_estimate_beside_those_that_were_answered(
    gateway: GatewayApplication, upstream: UpstreamServer, spare: UpstreamServer
) -> None:
    """The upstream may have made its answer: its prompt, and what the model makes in that time."""
    answered = (await send(gateway, chat(1))).json()["usage"]
    upstream.default = spare.default = transport.hangs_before_head

    late = await send(gateway, chat(2), 0.2)

    assert late.status_code == 504
    ledger = await gateway.ledger()
    assert ledger[0] == answered["prompt_tokens"] + estimated_tokens(len("request 2"))
    assert ledger[1] >= answered["completion_tokens"]
    assert await gateway.budget() == sum(ledger)


async def test_usage_that_an_upstream_does_not_tell_is_estimated_in_the_ledger(
    gateway: GatewayApplication, upstream: UpstreamServer
) -> None:
    upstream.default = FAULTS["absurd usage"].respond

    usage = (await send(gateway, chat(1))).json()["usage"]

    ledger = await gateway.ledger()
    assert ledger == (usage["prompt_tokens"], usage["completion_tokens"])
    assert 0 < ledger[0] < 50
    assert 0 < ledger[1] < 50
    assert await gateway.budget() == sum(ledger)


async def test_streams_are_right_or_end_with_a_typed_error(
    gateway: GatewayApplication, upstream: UpstreamServer
) -> None:
    chosen = random.Random(6)
    faults = [chosen.choice(STREAMED) for _ in range(REQUESTS)]
    upstream.next.extend(fault.respond for fault in faults)
    fields = {"stream": True, "stream_options": {"include_usage": True}}

    responses = await send_all(gateway, [chat(number, **fields) for number in range(REQUESTS)])

    input_tokens = output_tokens = cut = cut_bytes = 0
    for response in responses:
        if response.is_error:
            require_typed(response)
            continue
        text, usage, error = parsed(response.text)
        if error is None:
            assert text == WORDS
            input_tokens += usage["prompt_tokens"]
            output_tokens += usage["completion_tokens"]
        else:
            assert WORDS.startswith(text)
            cut += 1
            cut_bytes += len(text)
    assert cut < REQUESTS / 2
    ledger = await gateway.ledger()
    # A stream that was cut costs an estimate: its prompt, and what had come of its text.
    assert input_tokens <= ledger[0] <= input_tokens + 10 * cut
    assert output_tokens <= ledger[1] <= output_tokens + cut_bytes
    assert await gateway.budget() == sum(ledger)


def parsed(text: str) -> tuple[str, dict[str, Any], dict[str, Any] | None]:
    """The text of a stream, its usage, and the error that it ended with."""
    usage: dict[str, Any] = {}
    error: dict[str, Any] | None = None
    found = ""
    for event in text.split("\n\n"):
        data = event.removeprefix("data: ")
        if not data.startswith("{"):
            continue
        body = json.loads(data)
        usage = body.get("usage") or usage
        error = body.get("error") or error
        for choice in body.get("choices", ()):
            found += choice["delta"].get("content") or ""
    return found, usage, error


async def test_a_caller_that_leaves_costs_an_estimate_and_the_upstream_is_left_too(
    gateway: GatewayApplication, upstream: UpstreamServer
) -> None:
    upstream.default = FAULTS["stream without an end"].respond
    body = chat(1, stream=True)
    async with gateway.client.stream("POST", PATH, json=body) as response:
        async for _ in response.aiter_lines():
            break

    await until(lambda: upstream.requests[0].left)
    ledger = await gateway.ledger()
    assert ledger[0] > 0
    assert ledger[1] > 0
    assert await gateway.budget() == sum(ledger)
