"""Real HTTP through HAProxy: what only a real cluster can show."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.cluster.polling import eventually

CHAT = "/v1/chat/completions"
LEAVERS = 5
STEERING = {"x-request-disconnect-disabled": "?1", "x-request-timeout-seconds": "0"}


def ask(model: str, **changes: Any) -> dict[str, Any]:
    message = {"role": "user", "content": "Write an Instagram caption about a tea house"}
    return {"model": model, "messages": [message], "max_tokens": 32} | changes


async def health(client: httpx.AsyncClient) -> dict[str, Any]:
    return (await client.get("/health")).json()


async def test_the_cluster_is_ready_and_names_its_models(client: httpx.AsyncClient) -> None:
    ready = await client.get("/readyz")

    assert ready.status_code == 200
    assert ready.json()["models"] == ["echo", "elastic", "minilm", "nano", "slow"]


async def test_the_request_id_is_sent_once(client: httpx.AsyncClient) -> None:
    mine = await client.get("/healthz", headers={"X-Request-ID": "my-own-request-id"})
    theirs = await client.get("/healthz")

    assert mine.headers.get_list("x-request-id") == ["my-own-request-id"]
    assert len(theirs.headers.get_list("x-request-id")) == 1


async def test_a_problem_in_a_replica_keeps_its_type_through_ray(
    client: httpx.AsyncClient,
) -> None:
    long = {"role": "user", "content": "word " * 20_000}
    response = await client.post(CHAT, json=ask("nano", messages=[long]))

    assert response.status_code == 400
    error = response.json()["error"]
    assert error["code"] == "context_length_exceeded"
    assert "tokens" in error["message"]
    assert "Traceback" not in response.text


async def test_a_body_over_the_limit_is_413(client: httpx.AsyncClient) -> None:
    response = await client.post(
        CHAT, content=b"x" * (1 << 21), headers={"content-type": "application/json"}
    )

    assert response.status_code == 413


async def test_the_model_follows_a_topic_it_has_never_seen(client: httpx.AsyncClient) -> None:
    body = {"topic": "the zorblat lantern walk", "variants": 3, "seed": 1}
    answer = (await client.post("/api/v1/captions", json=body)).json()

    assert "zorblat lantern walk" in answer["variants"][0]["text"].lower()


async def test_equal_seeds_give_equal_text(client: httpx.AsyncClient) -> None:
    body = ask("nano", seed=11, temperature=1.0)
    first, second = await asyncio.gather(client.post(CHAT, json=body), client.post(CHAT, json=body))

    assert first.json()["choices"] == second.json()["choices"]


async def test_a_stream_arrives_as_it_is_made(client: httpx.AsyncClient) -> None:
    """Twenty tokens a second: the first chunk must come long before the last."""
    loop = asyncio.get_running_loop()
    times = []
    async with client.stream("POST", CHAT, json=ask("slow", stream=True)) as response:
        async for line in response.aiter_lines():
            if line.startswith("data: {"):
                times.append(loop.time())

    assert len(times) > 5
    assert times[-1] - times[0] > 0.5


@pytest.mark.parametrize("steering", [True, False])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_frees_the_model_whatever_headers_it_sent(
    client: httpx.AsyncClient, stream: bool, steering: bool
) -> None:
    for _ in range(LEAVERS):
        await _leave(client, stream, STEERING if steering else {})


async def _leave(client: httpx.AsyncClient, stream: bool, more: dict[str, str]) -> None:
    """Close a connection in the middle of an answer and see the model free soon after.

    Head and body go apart, as most clients send them: HAProxy once took that for a reason not to
    look at the connection again.
    """
    await eventually(lambda: _open(client, 0), timeout_s=20)
    body = json.dumps(ask("slow", stream=stream, max_tokens=160, ignore_eos=True))
    fields = {
        "host": client.base_url.host,
        "authorization": client.headers["authorization"],
        "content-type": "application/json",
        "content-length": str(len(body)),
        **more,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    _, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    writer.write(f"POST {CHAT} HTTP/1.1\r\n{head}\r\n".encode())
    await writer.drain()
    writer.write(body.encode())
    await eventually(lambda: _open(client, 1))
    writer.close()
    await eventually(lambda: _open(client, 0), timeout_s=4)


async def _open(client: httpx.AsyncClient, count: int) -> bool:
    """By the model's count: which ingress replica answers is not ours to choose."""
    return (await health(client))["models"]["slow"]["load"]["running"] == count


async def test_a_deadline_reaches_the_model_and_ends_its_work(client: httpx.AsyncClient) -> None:
    body = ask("slow", max_tokens=400, ignore_eos=True)
    response = await client.post(CHAT, json=body, headers={"Mobula-Timeout": "0.5"})

    assert response.status_code == 504
    await eventually(lambda: _open(client, 0))


async def test_many_streams_at_once_all_end_with_done(client: httpx.AsyncClient) -> None:
    async def one(number: int) -> str:
        body = ask("nano", stream=True, seed=number)
        return (await client.post(CHAT, json=body)).text

    answers = await asyncio.gather(*(one(number) for number in range(32)))

    for answer in answers:
        *chunks, done = [line for line in answer.split("\n\n") if line]
        assert done == "data: [DONE]"
        reasons = [
            json.loads(chunk.removeprefix("data: "))["choices"][0]["finish_reason"]
            for chunk in chunks
        ]
        assert reasons[-1] in ("stop", "length")


@pytest.mark.parametrize("method", ["PROPFIND", "QUERY", "MKCOL"])
async def test_a_method_that_no_route_has_is_refused_before_serve_counts_it(
    client: httpx.AsyncClient, method: str
) -> None:
    answer = await client.request(method, "/version")

    assert answer.status_code == 501
    assert answer.json()["type"].endswith("method-not-implemented")


async def test_a_replica_tells_how_late_its_event_loop_runs(client: httpx.AsyncClient) -> None:
    assert 0 <= (await health(client))["replica"]["loop_lag_s"] < 60
