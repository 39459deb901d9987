"""`./mobula bench traces`: whether every trace that should be there is there, and is complete.

In: a private cluster with two ingress replicas that samples nothing by itself, and a collector of
our own. Out: of `--captions` requests that a trusted caller has sampled, how many arrived at the
collector as one complete trace over the processes; of as many that it has not sampled, how many did
(none should); of `--failures` unsampled requests that fail, how many did (all should). A caption's
trace is complete if the caller's span is its parent, every span has its parent, and each variant
has its call, and in the model's process its queue, prefill and decode.
"""

import argparse
import asyncio
import secrets
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
from rich.console import Console

from load_tests.benchmarks.common.local_serve import LocalServe
from load_tests.benchmarks.common.measurement import (
    Measurement,
    all_met,
    build_table,
    finish_benchmark,
)
from load_tests.benchmarks.common.otlp_receiver import OtlpReceiver, ReceivedSpan
from load_tests.machine import describe_machine

MODEL, VARIANTS, AT_ONCE = "nano", 3, 8
INGRESSES = 2
EXPORTED_WITHIN_S = 15.0
TOO_SHORT_S = 0.02  # for three captions
STAGES = ("queue", "prefill", "decode")


@dataclass(frozen=True, slots=True)
class SentRequest:
    """A request within a caller's trace; `span` is the caller's."""

    trace: str
    span: str
    status: int
    request_id: str


def main(argv: Sequence[str] | None = None) -> int:
    options = _parse_options(argv)
    with (
        OtlpReceiver() as collector,
        LocalServe(
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            MOBULA_TRACE_RATIO="0",
            MOBULA_TRACE_SLOW_S="3600",  # on a busy machine captions may take long
            MOBULA_TRUSTED_PROXIES="127.0.0.0/8",
        ) as local,
    ):
        key = _deploy(local)
        measurements = asyncio.run(measure(local.url, key, collector, options))
    Console().print(build_table(measurements))
    passed = all_met(measurements)
    report = {
        "benchmark": "traces",
        "machine": describe_machine(),
        "conditions": {"captions": options.captions, "failures": options.failures},
        "measurements": [each.to_dict() for each in measurements],
        "passed": passed,
    }
    return finish_benchmark(report, passed, options)


def _parse_options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mobula bench traces", description=__doc__)
    parser.add_argument("--captions", type=int, default=100, help="sampled, and not sampled")
    parser.add_argument("--failures", type=int, default=50, help="requests that fail")
    parser.add_argument("--json", type=Path, help="also write the report here")
    parser.add_argument("--check", action="store_true", help="exit 1 if a target is missed")
    return parser.parse_args(argv)


def _deploy(local: LocalServe) -> str:
    from graphs.app import build
    from graphs.args import AppArgs

    args = {
        "models": [{"id": MODEL, "engine": "openvino", "num_cpus": 0.1}],
        "ingress": {"num_cpus": 0.1, "replicas": INGRESSES},
        "content": {"default": MODEL},
    }
    local.run(build(AppArgs.model_validate(args)), "mobula", "/")
    return local.key


async def measure(
    url: str, key: str, collector: OtlpReceiver, options: argparse.Namespace
) -> list[Measurement]:
    sampled = await send_captions(url, key, options.captions, is_sampled=True)
    unsampled = await send_captions(url, key, options.captions, is_sampled=False)
    failed = await send_captions(
        url, key, options.failures, is_sampled=False, timeout_s=TOO_SHORT_S
    )
    faulty = [request for request in failed if request.status >= 500]
    await wait_for_traces(collector, [*sampled, *faulty])
    traces = [collector.trace(request.trace) for request in sampled]
    complete = [
        not faults_of(request, spans) for request, spans in zip(sampled, traces, strict=True)
    ]
    processes = [len({each.process for each in spans}) for spans in traces]
    kept = sum(bool(collector.trace(request.trace)) for request in faulty)
    found = await count_found(url, key, [*sampled, *faulty])
    part = "traces"
    return [
        Measurement(part, "sampled captions, complete", sum(complete), at_least=len(sampled)),
        Measurement(part, "least processes of a trace", min(processes, default=0), at_least=2),
        Measurement(
            part, "spans of a caption", sum(map(len, traces)) / max(1, len(traces)), "spans"
        ),
        Measurement(
            part,
            "unsampled captions, recorded",
            sum(bool(collector.trace(each.trace)) for each in unsampled if each.status == 200),
            at_most=0,
        ),
        Measurement(part, "failed requests", len(faulty), at_least=1),
        Measurement(part, "failed requests, recorded", kept, at_least=len(faulty)),
        Measurement(part, "found by request id", found, at_least=len(sampled) + len(faulty)),
        Measurement(part, "not understood by the collector", len(collector.refused), at_most=0),
    ]


async def send_captions(
    url: str, key: str, count: int, *, is_sampled: bool, timeout_s: float | None = None
) -> list[SentRequest]:
    """Requests for captions, each with a topic and in a trace of its own. One with `timeout_s` is
    to be too late."""
    headers = {"Authorization": f"Bearer {key}"}
    if timeout_s is not None:
        headers["Mobula-Timeout"] = f"{timeout_s:g}"
    door = asyncio.Semaphore(AT_ONCE)
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client:

        async def send(number: int) -> SentRequest:
            trace, span = secrets.token_hex(16), secrets.token_hex(8)
            topic = f"green tea {secrets.token_hex(4)} {number}"
            body = {"topic": topic, "model": MODEL, "variants": VARIANTS}
            context = {"traceparent": f"00-{trace}-{span}-0{int(is_sampled)}"}
            async with door:
                answer = await client.post("/api/v1/captions", json=body, headers=context)
            return SentRequest(
                trace, span, answer.status_code, answer.headers.get("x-request-id", "")
            )

        return [*await asyncio.gather(*map(send, range(count)))]


async def wait_for_traces(collector: OtlpReceiver, requests: Sequence[SentRequest]) -> None:
    """Until each has one, for EXPORTED_WITHIN_S at most."""
    until = time.monotonic() + EXPORTED_WITHIN_S
    while time.monotonic() < until:
        if all(collector.trace(request.trace) for request in requests):
            return
        await asyncio.sleep(0.1)


def faults_of(request: SentRequest, spans: Sequence[ReceivedSpan]) -> list[str]:
    """What a caption's trace lacks; empty: nothing."""
    ids = {each.id for each in spans}
    roots = [each for each in spans if each.parent_id == request.span]
    faults = [] if len(roots) == 1 else [f"{len(roots)} spans below the caller's"]
    faults += [
        f"{each.span.name} has no parent"
        for each in spans
        if each.parent_id not in ids and each not in roots
    ]
    if request.status != 200:
        faults.append(f"answered {request.status}")
    calls = _named(spans, f"chat {MODEL}")
    if len(calls) != VARIANTS:
        faults.append(f"{len(calls)} calls")
    for call in calls:
        faults += _faults_of_call(call, spans)
    wanted = {"authenticate", "admit", "cache.lookup", "respond"}
    missing = wanted - {each.span.name for each in spans}
    return faults + [f"no {name}" for name in sorted(missing)]


def _faults_of_call(call: ReceivedSpan, spans: Sequence[ReceivedSpan]) -> list[str]:
    """The model's process has a span below it or below one of its attempts."""
    above = {call.id, *(each.id for each in spans if each.parent_id == call.id)}
    generated = [each for each in _named(spans, f"generate {MODEL}") if each.parent_id in above]
    if len(generated) != 1:
        return [f"{len(generated)} generations of a call"]
    [generation] = generated
    if generation.process == call.process:
        return ["the generation is of the ingress"]
    below = {each.span.name for each in spans if each.parent_id == generation.id}
    return [f"no {stage}" for stage in STAGES if stage not in below]


def _named(spans: Iterable[ReceivedSpan], name: str) -> list[ReceivedSpan]:
    return [each for each in spans if each.span.name == name]


async def count_found(url: str, key: str, requests: Sequence[SentRequest]) -> int:
    """How many of them the cluster itself finds by their ids (`./mobula trace ID`)."""
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client:
        found = 0
        for request in requests:
            answer = await client.get(f"/api/v1/traces/{request.request_id}")
            ids = [each["trace_id"] for each in answer.json().get("data", ())]
            found += ids == [request.trace]
        return found


if __name__ == "__main__":
    sys.exit(main())
