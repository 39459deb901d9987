"""Recorded traces by HTTP: whose they are, and how their spans are nested."""

from cluster.tracing.span import RecordedTrace, SpanEvent, SpanKind, TraceSpan
from tests.api.administration.world import World

TRACE = "0af7651916cd43dd8448eb211c80319c"


def recorded(request_id: str, tenant: str, start: float = 100.0) -> RecordedTrace:
    root = TraceSpan(
        "POST /v1/chat/completions", TRACE, "a" * 16, "f" * 16, start, start + 1, SpanKind.SERVER
    )
    call = TraceSpan(
        "chat nano", TRACE, "b" * 16, "a" * 16, start + 0.2, start + 0.9, SpanKind.CLIENT,
        {"gen_ai.request.model": "nano"}, "model-failed",
        (SpanEvent("attempt", start + 0.2, {"mobula.replica": "r1"}),),
    )  # fmt: skip
    early = TraceSpan("authenticate", TRACE, "c" * 16, "a" * 16, start, start + 0.1)
    inner = TraceSpan(
        "generate nano", TRACE, "d" * 16, "b" * 16, start + 0.3, start + 0.8, process="r1"
    )
    return RecordedTrace(request_id, tenant, "failed", (root, call, early, inner))


async def test_a_tenant_finds_its_own_traces_by_request_and_by_trace_id(world: World) -> None:
    world.services.tracing.tracer.record(recorded("req_1", "acme"))

    by_request = await world.ask("owner", "GET", "/api/v1/traces/req_1")
    by_trace = await world.ask("owner", "GET", f"/api/v1/traces/{TRACE}")

    [trace] = by_request.json()["data"]
    assert by_trace.json() == by_request.json()
    assert (trace["request_id"], trace["trace_id"], trace["reason"]) == ("req_1", TRACE, "failed")
    assert [(span["depth"], span["name"], span["duration_ms"]) for span in trace["spans"]] == [
        (0, "POST /v1/chat/completions", 1000.0),
        (1, "authenticate", 100.0),
        (1, "chat nano", 700.0),
        (2, "generate nano", 500.0),
    ]
    call = trace["spans"][2]
    assert (call["kind"], call["error"]) == ("client", "model-failed")
    assert call["attributes"] == {"gen_ai.request.model": "nano"}
    assert call["events"][0]["attributes"] == {"mobula.replica": "r1"}
    assert trace["spans"][3]["process"] == "r1"


async def test_a_trace_of_another_tenant_is_as_one_that_does_not_exist(world: World) -> None:
    world.services.tracing.tracer.record(recorded("req_2", "other"))

    foreign = await world.ask("owner", "GET", "/api/v1/traces/req_2")
    unknown = await world.ask("owner", "GET", "/api/v1/traces/req_3")
    by_operator = await world.ask("operator", "GET", "/api/v1/traces/req_2")

    assert (foreign.status_code, unknown.status_code, by_operator.status_code) == (404, 404, 200)
    assert foreign.json()["title"] == unknown.json()["title"]


async def test_the_operator_finds_requests_of_nobody_and_may_name_one_tenant(world: World) -> None:
    world.services.tracing.tracer.record(recorded("req_4", ""))

    everybody = await world.ask("operator", "GET", "/api/v1/traces/req_4")
    one = await world.ask("operator", "GET", "/api/v1/traces/req_4?tenant=acme")

    assert everybody.json()["data"][0]["tenant"] == ""
    assert one.status_code == 404


async def test_several_requests_under_one_id_are_listed_oldest_first(world: World) -> None:
    for start in (300.0, 200.0):
        world.services.tracing.tracer.record(recorded("mine", "acme", start))

    answer = await world.ask("owner", "GET", "/api/v1/traces/mine")

    assert [trace["spans"][0]["start"] for trace in answer.json()["data"]] == [200.0, 300.0]
