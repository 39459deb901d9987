"""One trace over the processes of a real cluster: HAProxy, two ingress replicas, a model."""

import asyncio
from typing import Any

import httpx

from cluster.logs.process_log import FOLDER
from cluster.logs.reader import LogFilter, read_lines
from load_tests.benchmarks.common.local_serve import LocalServe
from load_tests.benchmarks.common.otlp_receiver import OtlpReceiver
from load_tests.benchmarks.speed import bench_traces
from tests.cluster.polling import eventually

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
BRIEF = {"topic": "green tea", "model": "nano", "variants": 3}


async def trace_of(client: httpx.AsyncClient, response: httpx.Response) -> dict[str, Any]:
    """What the replicas recorded of a request. The record follows the last byte of its response."""
    path, found = f"/api/v1/traces/{response.headers['x-request-id']}", response

    async def is_recorded() -> bool:
        nonlocal found
        found = await client.get(path)
        return found.status_code != 404

    await eventually(is_recorded)
    [trace] = found.raise_for_status().json()["data"]
    return dict(trace)


def named(trace: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [span for span in trace["spans"] if span["name"] == name]


async def test_a_caption_is_one_trace_from_its_caller_to_the_tokens(
    client: httpx.AsyncClient,
) -> None:
    response = await client.post(
        "/api/v1/captions", json=BRIEF, headers={"traceparent": f"00-{TRACE}-{PARENT}-00"}
    )

    trace = await trace_of(client, response.raise_for_status())
    root = trace["spans"][0]
    calls, generated = named(trace, "chat nano"), named(trace, "generate nano")
    assert (trace["trace_id"], root["parent_id"]) == (TRACE, PARENT)
    assert root["name"] == "POST /api/v1/captions"
    assert len(calls) == len(generated) == BRIEF["variants"]
    assert {call["parent_id"] for call in calls} == {root["span_id"]}
    assert [span["parent_id"] for span in generated] == [call["span_id"] for call in calls]
    assert all(span["process"].startswith("Model:nano#") for span in generated)
    for stage in ("queue", "prefill", "decode"):
        assert len(named(trace, stage)) == BRIEF["variants"]
    assert named(trace, "cache.lookup")


async def test_every_request_of_many_leaves_a_whole_trace(client: httpx.AsyncClient) -> None:
    body = {"model": "echo", "max_tokens": 4, "messages": [{"role": "user", "content": "hi"}]}

    responses = await asyncio.gather(
        *(client.post("/v1/chat/completions", json=body) for _ in range(40))
    )

    for response in responses:
        trace = await trace_of(client, response.raise_for_status())
        assert len(named(trace, "generate echo")) == len(named(trace, "decode")) == 1


async def test_a_stream_has_the_spans_of_its_replica_too(client: httpx.AsyncClient) -> None:
    body = {"model": "echo", "messages": [{"role": "user", "content": "hi"}], "stream": True}

    response = await client.post("/v1/chat/completions", json=body)

    trace = await trace_of(client, response.raise_for_status())
    assert len(named(trace, "generate echo")) == 1
    [call] = named(trace, "chat echo")
    assert call["attributes"]["mobula.attempts"] == 1


async def test_a_request_that_was_too_late_says_where(client: httpx.AsyncClient) -> None:
    body = {"model": "slow", "messages": [{"role": "user", "content": "a b c d e f g h"}]}

    response = await client.post(
        "/v1/chat/completions", json=body, headers={"Mobula-Timeout": "0.2"}
    )

    assert response.status_code == 504
    trace = await trace_of(client, response)
    assert trace["reason"] == "failed"
    assert trace["spans"][0]["error"] == "deadline-exceeded"
    [call] = named(trace, "chat slow")
    assert call["error"]


async def test_captions_arrive_whole_at_a_collector(
    client: httpx.AsyncClient, collector: OtlpReceiver
) -> None:
    """As `./mobula bench traces` has it, which also shows what is not sampled."""
    url, key = str(client.base_url), client.headers["Authorization"].removeprefix("Bearer ")

    sent = await bench_traces.send_captions(url, key, 6, is_sampled=True)

    await bench_traces.wait_for_traces(collector, sent)
    faults = [bench_traces.faults_of(each, collector.trace(each.trace)) for each in sent]
    assert faults == [[]] * len(sent)
    assert await bench_traces.count_found(url, key, sent) == len(sent)
    assert collector.refused == []


async def test_one_id_leads_to_the_trace_the_files_and_the_collector(
    cluster: LocalServe, client: httpx.AsyncClient, collector: OtlpReceiver
) -> None:
    """Of a request that failed: its lines in files of processes, and at the collector."""
    body = {"model": "slow", "messages": [{"role": "user", "content": "a b c d e f g h"}]}
    response = await client.post(
        "/v1/chat/completions", json=body, headers={"Mobula-Timeout": "0.2"}
    )
    request = response.headers["x-request-id"]
    trace = await trace_of(client, response)

    def kinds_of_lines() -> set[tuple[str, str]]:
        lines = read_lines(cluster.home / FOLDER, LogFilter(request=request))
        return {(line.process, str(line.values.get("trace_id"))) for line in lines}

    def exported() -> set[tuple[str, str]]:
        of_request = [
            log for log in collector.logs() if log.attributes.get("mobula.request_id") == request
        ]
        return {(log.attributes["logger.name"], log.trace_id) for log in of_request}

    id = trace["trace_id"]
    await eventually(lambda: kinds_of_lines() >= {("access", id), ("ingress", id)})
    await eventually(lambda: exported() >= {("mobula.access", id), ("mobula.ingress", id)})
    groups = (await client.get("/api/v1/logs/errors")).raise_for_status().json()["data"]
    assert any(group["message"] == "request failed: deadline-exceeded" for group in groups)
