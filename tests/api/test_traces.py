"""Which requests leave a trace, and what is in it."""

from collections.abc import Sequence
from dataclasses import replace

import httpx
import orjson
import pytest
from starlette.types import ASGIApp

from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import ModelFailed, Problem
from cluster.tracing.span import RecordedTrace, SpanKind, TraceSpan
from cluster.tracing.tracer import Tracer
from deployments.contracts.generation import Completion, GenerateRequest
from deployments.ingress.handle_api import HandleApi
from deployments.ingress.http.app import create_app
from deployments.ingress.tracing import request_tracing
from deployments.ingress.tracing.request_tracing import RequestTracing
from tests.api.fakes import WordsModel
from tests.api.web import ADMIN_KEY, MakeServices, client_of

CHAT = "/v1/chat/completions"
HELLO = {"model": "words", "messages": [{"role": "user", "content": "a secret wish"}]}
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HEADER = f"00-{TRACE}-{PARENT}-"
TIMING = (0.001, 0.002, 0.003)


class TimedWordsModel(WordsModel):
    """Says how long its replica took."""

    async def generate(self, request: GenerateRequest) -> Completion:
        return replace(await super().generate(request), timing=TIMING)


@pytest.fixture
def model() -> WordsModel:
    return TimedWordsModel()


def application(make_services: MakeServices, tracer: Tracer, *trusted: str) -> ASGIApp:
    services = make_services(trusted_proxies=trusted)
    return create_app(replace(services, tracing=RequestTracing(tracer, services.clock, trusted)))


async def chat(app: ASGIApp, **headers: str) -> httpx.Response:
    async with client_of(app) as client:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await client.post(CHAT, json=HELLO, headers=named)


def traces_of(tracer: Tracer, response: httpx.Response) -> Sequence[RecordedTrace]:
    return tracer.ring.find(response.headers["x-request-id"])


def by_name(trace: RecordedTrace) -> dict[str, TraceSpan]:
    return {span.name: span for span in trace.spans}


async def test_a_sampled_request_leaves_spans_of_every_stage_and_of_its_replica(
    make_services: MakeServices,
) -> None:
    tracer = Tracer(ratio=1.0)

    response = await chat(application(make_services, tracer))

    [trace] = traces_of(tracer, response)
    spans = by_name(trace)
    root, call, generate = spans[f"POST {CHAT}"], spans["chat words"], spans["generate words"]
    assert list(spans) == [
        f"POST {CHAT}",
        "authenticate",
        "admit",
        "prepare",
        "respond",
        "reserve",
        "chat words",
        "generate words",
        "queue",
        "prefill",
        "decode",
    ]
    assert (trace.tenant, trace.reason) == ("acme", "sampled")
    assert (root.kind, call.kind, root.parent_id) == (SpanKind.SERVER, SpanKind.CLIENT, "")
    assert call.parent_id == spans["admit"].parent_id == root.span_id
    assert generate.parent_id == call.span_id
    assert spans["reserve"].parent_id == spans["prepare"].span_id
    assert {spans[name].parent_id for name in ("queue", "prefill", "decode")} == {generate.span_id}
    assert {span.trace_id for span in trace.spans} == {root.trace_id}
    assert [
        round(spans[name].end - spans[name].start, 6) for name in ("queue", "prefill", "decode")
    ] == pytest.approx(TIMING, abs=1e-6)


async def test_the_stages_of_a_request_add_up_to_its_duration(make_services: MakeServices) -> None:
    tracer = Tracer(ratio=1.0)

    response = await chat(application(make_services, tracer))

    [trace] = traces_of(tracer, response)
    root = trace.spans[0]
    stages = [span for span in trace.spans if span.parent_id == root.span_id]
    total = sum(span.end - span.start for span in stages)
    assert 0.95 <= total / (root.end - root.start) <= 1.05


async def test_attributes_follow_the_conventions_and_hold_no_text(
    make_services: MakeServices,
) -> None:
    tracer = Tracer(ratio=1.0)

    response = await chat(application(make_services, tracer))

    [trace] = traces_of(tracer, response)
    spans = by_name(trace)
    root, call = spans[f"POST {CHAT}"].attributes, spans["chat words"].attributes
    assert root["http.request.method"] == "POST"
    assert root["http.response.status_code"] == 200
    assert root["http.route"] == CHAT
    assert root["mobula.tenant"] == "acme"
    assert call["gen_ai.operation.name"] == "chat"
    assert call["gen_ai.provider.name"] == "mobula"
    assert call["gen_ai.request.model"] == "words"
    assert call["gen_ai.usage.output_tokens"] == 3
    assert call["gen_ai.response.finish_reasons"] == ("stop",)
    assert "secret" not in repr(trace)
    assert "one two" not in repr(trace)


async def test_a_callers_trace_is_retained_and_goes_on_to_the_model(
    make_services: MakeServices, model: WordsModel
) -> None:
    tracer = Tracer(ratio=1.0)

    response = await chat(application(make_services, tracer), traceparent=HEADER + "01")

    [trace] = traces_of(tracer, response)
    spans = by_name(trace)
    root = spans[f"POST {CHAT}"]
    assert (root.trace_id, root.parent_id) == (TRACE, PARENT)
    assert model.requests[0].trace == f"00-{TRACE}-{spans['chat words'].span_id}-01"


async def test_a_callers_state_goes_on_with_its_trace(
    make_services: MakeServices, model: WordsModel
) -> None:
    app = application(make_services, Tracer(ratio=1.0))

    await chat(app, traceparent=HEADER + "01", tracestate="vendor=1")
    await chat(app, traceparent="nonsense", tracestate="vendor=1")

    assert [request.trace_state for request in model.requests] == ["vendor=1", ""]


async def test_a_call_by_handle_is_in_the_trace_of_who_calls(
    make_services: MakeServices, model: WordsModel
) -> None:
    tracer = Tracer()
    services = make_services()
    handles = HandleApi(replace(services, tracing=RequestTracing(tracer, services.clock)))

    for flag in ("01", "00"):
        await handles.call(ADMIN_KEY, "chat", orjson.dumps(HELLO), 30.0, None, HEADER + flag)

    [trace] = tracer.ring.find(TRACE)
    assert (trace.spans[0].name, trace.spans[0].parent_id) == ("chat", PARENT)
    assert [request.trace[-2:] for request in model.requests] == ["01", "00"]


async def test_a_call_of_a_newer_caller_may_say_more(make_services: MakeServices) -> None:
    """During a roll; what this version does not know is left out."""
    handles, body = HandleApi(make_services()), orjson.dumps(HELLO)
    arguments = (ADMIN_KEY, "chat", body, 30.0, None, "", "newer")

    assert (await handles.answer(*arguments))["object"] == "chat.completion"
    stream = orjson.dumps({**HELLO, "stream": True})
    events = [event async for event in handles.events(ADMIN_KEY, "chat", stream, *arguments[3:])]
    assert events
    assert not isinstance(events[-1], Problem)


async def test_an_access_line_has_the_trace_of_a_request_that_failed(
    make_services: MakeServices, model: WordsModel, access_log: list[bytes]
) -> None:
    tracer = Tracer()
    model.problem = ModelFailed("words")

    response = await chat(application(make_services, tracer))

    [trace] = traces_of(tracer, response)
    line = orjson.loads(access_log[-1])
    assert (line["trace_id"], line["span_id"]) == (trace.trace_id, trace.spans[0].span_id)
    assert trace.request_id == f"req_{trace.trace_id}"


async def test_a_caller_who_is_not_trusted_cannot_have_its_requests_recorded(
    make_services: MakeServices, model: WordsModel
) -> None:
    tracer = Tracer()

    response = await chat(application(make_services, tracer), traceparent=HEADER + "01")

    assert traces_of(tracer, response) == ()
    assert model.requests[0].trace.startswith(f"00-{TRACE}-")
    assert model.requests[0].trace.endswith("-00")


async def test_a_trusted_proxy_decides_what_is_sampled(make_services: MakeServices) -> None:
    tracer = Tracer()
    app = application(make_services, tracer, "127.0.0.0/8")  # where the test's client is

    sampled = await chat(app, traceparent=HEADER + "01")
    unsampled = await chat(app, traceparent=HEADER + "00")

    assert len(traces_of(tracer, sampled)) == 1
    assert traces_of(tracer, unsampled) == ()


async def test_an_unsampled_request_leaves_nothing_and_tells_the_model_nothing(
    make_services: MakeServices, model: WordsModel
) -> None:
    tracer = Tracer()

    response = await chat(application(make_services, tracer))

    assert response.status_code == 200
    assert len(tracer.ring) == 0
    assert model.requests[0].trace == ""


async def test_a_request_that_failed_is_always_recorded(
    make_services: MakeServices, model: WordsModel
) -> None:
    tracer = Tracer()
    model.problem = ModelFailed("words")

    response = await chat(application(make_services, tracer))

    [trace] = traces_of(tracer, response)
    spans = by_name(trace)
    assert response.status_code == 502
    assert trace.reason == "failed"
    assert spans[f"POST {CHAT}"].error == spans["chat words"].error == "model-failed"
    assert spans["chat words"].attributes["error.type"] == "model-failed"


async def test_a_stream_that_fails_late_is_recorded(
    make_services: MakeServices, model: WordsModel
) -> None:
    tracer, model.fail_after = Tracer(), 1
    async with client_of(application(make_services, tracer)) as client:
        response = await client.post(CHAT, json={**HELLO, "stream": True})

    [trace] = traces_of(tracer, response)
    assert response.status_code == 200
    assert (trace.reason, trace.spans[0].error) == ("failed", "model-failed")


async def test_a_slow_request_is_recorded(make_services: MakeServices) -> None:
    tracer = Tracer(slow_s=1e-9)

    response = await chat(application(make_services, tracer))

    [trace] = traces_of(tracer, response)
    assert trace.reason == "slow"


async def test_what_a_client_did_wrong_is_no_failure(make_services: MakeServices) -> None:
    tracer = Tracer()
    async with client_of(application(make_services, tracer)) as client:
        await client.post(CHAT, json={"model": "words"})
        await client.get("/nowhere")

    assert len(tracer.ring) == 0


async def test_a_path_that_no_route_has_names_no_span(make_services: MakeServices) -> None:
    tracer = Tracer(ratio=1.0)
    async with client_of(application(make_services, tracer)) as client:
        response = await client.get("/nowhere/mob_abcd1234_0123456789abcdefghijklmnop")

    [trace] = traces_of(tracer, response)
    assert trace.spans[0].name == "GET"
    assert "0123456789" not in repr(trace)


async def test_a_route_with_parameters_is_named_by_its_template(
    make_services: MakeServices,
) -> None:
    tracer = Tracer(ratio=1.0)
    async with client_of(application(make_services, tracer)) as client:
        response = await client.get("/v1/models/words")

    [trace] = traces_of(tracer, response)
    assert trace.spans[0].name.startswith("GET /v1/models/{")


async def test_a_call_of_an_embedding_model_has_a_span(make_services: MakeServices) -> None:
    tracer = Tracer(ratio=1.0)
    async with client_of(application(make_services, tracer)) as client:
        response = await client.post("/v1/embeddings", json={"model": "letters", "input": "hi"})

    [trace] = traces_of(tracer, response)
    spans = by_name(trace)
    assert spans["embeddings letters"].parent_id == spans["POST /v1/embeddings"].span_id
    assert spans["embeddings letters"].attributes["gen_ai.operation.name"] == "embeddings"


async def test_while_everything_fails_a_failure_of_another_kind_is_still_recorded(
    make_services: MakeServices, model: WordsModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_tracing, "MAX_UNSAMPLED", 3)
    model.problem = ModelFailed("words")
    tracer = Tracer()
    tracing = RequestTracing(tracer, ManualClock())
    app = create_app(replace(make_services(), tracing=tracing))
    for _ in range(5):
        await chat(app)

    async with client_of(app) as client:
        other = await client.post("/v1/completions", json={"model": "words", "prompt": "a"})

    assert other.status_code == 502
    assert len(traces_of(tracer, other)) == 1
    readings = {metric.name: dict(samples) for metric, samples in tracing.read_metrics()}
    assert readings == {
        "mobula_traces_recorded_total": {("failed",): 4},
        "mobula_traces_dropped_total": {("failed",): 2},
    }


async def test_while_everything_fails_not_everything_is_recorded(
    make_services: MakeServices, model: WordsModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_tracing, "MAX_UNSAMPLED", 3)
    model.problem = ModelFailed("words")
    tracer, clock = Tracer(), ManualClock()
    services = make_services()
    tracing = RequestTracing(tracer, clock)
    app = create_app(replace(services, tracing=tracing))

    for _ in range(5):
        await chat(app)
    assert (len(tracer.ring), tracing.dropped["failed"]) == (3, 2)

    clock.advance(1)
    await chat(app)
    assert (len(tracer.ring), tracing.dropped["failed"]) == (4, 2)
