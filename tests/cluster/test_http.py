"""Real HTTP through HAProxy: what only a real cluster can show."""

import asyncio
import json
import os
from typing import Any

import httpx
import pytest

from load_tests.benchmarks.common.local_serve import LocalServe
from tests.cluster.leaving import PIPELINED, WAYS, LeavingClient
from tests.cluster.polling import eventually

CHAT = "/v1/chat/completions"
STEERING = {"x-request-disconnect-disabled": "?1", "x-request-timeout-seconds": "0"}


def ask(model: str, **changes: Any) -> dict[str, Any]:
    message = {"role": "user", "content": "Write an Instagram caption about a tea house"}
    return {"model": model, "messages": [message], "max_tokens": 32} | changes


async def health(client: httpx.AsyncClient) -> dict[str, Any]:
    return (await client.get("/health")).json()


@pytest.mark.every_profile
async def test_the_cluster_is_ready_and_names_its_models(
    client: httpx.AsyncClient, served: list[str]
) -> None:
    ready = await client.get("/readyz")

    assert ready.status_code == 200
    assert ready.json()["models"] == sorted(served)


@pytest.mark.every_profile
async def test_the_request_id_is_sent_once(client: httpx.AsyncClient) -> None:
    mine = await client.get("/healthz", headers={"X-Request-ID": "my-own-request-id"})
    theirs = await client.get("/healthz")

    assert mine.headers.get_list("x-request-id") == ["my-own-request-id"]
    assert len(theirs.headers.get_list("x-request-id")) == 1


SERVES = ["x-request-id", "x-session-id", "x_session_id", "serve_multiplexed_model_id"]
SERVES += ["x-request-timeout-seconds", "x-request-disconnect-disabled", "traceparent"]


@pytest.mark.parametrize("name", SERVES)
async def test_an_odd_byte_in_a_header_that_serve_reads_is_no_fault(
    client: httpx.AsyncClient, name: str
) -> None:
    answer = await client.get("/version", headers={name.encode(): b"caf\xe9"})

    assert answer.status_code == 200
    [request_id] = answer.headers.get_list("x-request-id")
    assert request_id.isascii()


async def test_a_client_cannot_choose_the_address_in_the_access_log(
    client: httpx.AsyncClient, cluster: LocalServe
) -> None:
    ours, forged = "who-asked-is-logged", {"X-Forwarded-For": "203.0.113.7", "X-Real-IP": "<b>"}
    await client.get("/version", headers={"X-Request-ID": ours, **forged})

    async def logged() -> bool:
        files = (cluster.home / "logs").glob("access-*.jsonl")
        lines = [line for file in files for line in file.read_text().splitlines() if ours in line]
        assert all(json.loads(line)["client"] == "127.0.0.1" for line in lines)
        return bool(lines)

    await eventually(logged)


@pytest.mark.every_profile
async def test_http10_gets_no_chunks(client: httpx.AsyncClient) -> None:
    host, port = client.base_url.host, client.base_url.port
    body = json.dumps(ask("slow", stream=True)).encode()
    head = f"POST {CHAT} HTTP/1.0\r\nhost: {host}\r\ncontent-type: application/json\r\n"
    head += f"authorization: {client.headers['authorization']}\r\n"
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    fields, _, answer = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()

    assert b" 200 " in fields
    assert b"transfer-encoding" not in fields.lower()
    assert answer.startswith(b"data: ")
    assert answer.rstrip().endswith(b"data: [DONE]")


@pytest.mark.every_profile
async def test_a_problem_in_a_replica_keeps_its_type_through_ray(
    client: httpx.AsyncClient,
) -> None:
    long = {"role": "user", "content": "word " * 20_000}
    response = await client.post(CHAT, json=ask("echo", messages=[long]))

    assert response.status_code == 400
    error = response.json()["error"]
    assert error["code"] == "context_length_exceeded"
    assert "tokens" in error["message"]
    assert "Traceback" not in response.text


async def test_a_body_over_the_limit_is_413(client: httpx.AsyncClient) -> None:
    response = await client.post(
        "/v1/embeddings", content=b"x" * (1 << 21), headers={"content-type": "application/json"}
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


@pytest.mark.every_profile
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


@pytest.mark.every_profile
@pytest.mark.parametrize(
    ("stream", "steering"),
    [
        (True, False),
        (False, True),
        *(pytest.param(same, same, marks=pytest.mark.exhaustive) for same in (True, False)),
    ],
)
async def test_every_client_that_leaves_frees_the_model_whatever_it_sent_and_however_it_left(
    client: httpx.AsyncClient, stream: bool, steering: bool
) -> None:
    """With answers that may be kept, whose computation belongs to nobody, and with others."""
    behind_haproxy = os.environ.get("MOBULA_TEST_PROFILE", "fast") == "fast"
    ways = WAYS if behind_haproxy else tuple(way for way in WAYS if way != PIPELINED)
    await eventually(lambda: _open(client, 0))
    bodies = [ask("slow", stream=stream, max_tokens=1_200, ignore_eos=True)]  # a minute
    bodies.append({**bodies[0], "temperature": 0})
    leaving = [LeavingClient(client, way) for way in ways for _ in bodies]
    for number, each in enumerate(leaving):
        body = {**bodies[number % 2], "user": f"{number}"}
        body["messages"] = [{"role": "user", "content": f"{stream} {steering} {number}"}]
        await each.ask(CHAT, body, STEERING if steering else {})
    await eventually(lambda: _open(client, len(leaving)))
    for each in leaving:
        each.leave()
    try:
        await eventually(lambda: _open(client, 0), timeout_s=20)
    finally:
        for each in leaving:
            each.close()


async def _open(client: httpx.AsyncClient, count: int) -> bool:
    """By the model's count: which ingress replica answers is not ours to choose."""
    load = (await health(client))["models"]["slow"].get("load", {})
    return load.get("running") == count


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


async def test_a_replica_reports_its_event_loop_lag(client: httpx.AsyncClient) -> None:
    assert 0 <= (await health(client))["replica"]["loop_lag_s"] < 60
