"""What is sampled, and which of the recorded traces are kept."""

import pytest

from cluster.tracing.span import RecordedTrace, TraceSpan
from cluster.tracing.trace_ring import TraceRing
from cluster.tracing.tracer import Tracer

PARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-"


def recorded(number: int, tenant: str = "acme", spans: int = 1) -> RecordedTrace:
    made = [
        TraceSpan(f"s{i}", f"{number:032x}", f"{i + 1:016x}", "", 1.0, 2.0) for i in range(spans)
    ]
    return RecordedTrace(f"req_{number}", tenant, "sampled", tuple(made))


@pytest.mark.parametrize("is_sampled", [True, False])
def test_a_caller_who_is_not_trusted_names_the_trace_but_does_not_decide_on_it(
    is_sampled: bool,
) -> None:
    for flags in (b"00", b"01"):
        context = Tracer().begin(PARENT + flags, is_sampled=is_sampled)

        assert context.trace_id == "0af7651916cd43dd8448eb211c80319c"
        assert context.parent_id == "b7ad6b7169203331"
        assert context.is_sampled is is_sampled


@pytest.mark.parametrize("is_sampled", [True, False])
def test_a_trusted_caller_decides(is_sampled: bool) -> None:
    tracer = Tracer()

    assert tracer.begin(PARENT + b"01", is_sampled=is_sampled, is_trusted=True).is_sampled
    assert not tracer.begin(PARENT + b"00", is_sampled=is_sampled, is_trusted=True).is_sampled


def test_an_invalid_header_begins_a_new_trace() -> None:
    context = Tracer().begin(b"nonsense", is_sampled=True, is_trusted=True)

    assert context.parent_id == ""
    assert context.is_sampled


def test_the_ring_keeps_the_last_traces() -> None:
    ring = TraceRing(max_traces=3)

    for number in range(5):
        ring.add(recorded(number))

    assert [len(ring.find(f"req_{number}")) for number in range(5)] == [0, 0, 1, 1, 1]


def test_traces_of_many_spans_leave_less_room() -> None:
    ring = TraceRing(max_traces=100, max_spans=10)

    for number in range(5):
        ring.add(recorded(number, spans=4))

    assert len(ring) == 2
    ring.add(recorded(9, spans=50))
    assert len(ring) == 1


def test_a_trace_is_found_by_its_request_and_by_its_trace_id_within_its_tenant() -> None:
    tracer = Tracer()
    tracer.record(recorded(1))
    tracer.record(recorded(2, tenant="other"))
    find = tracer.ring.find

    assert find("req_1") == find(f"{1:032x}") == find("req_1", "acme") == (recorded(1),)
    assert find("req_2", "acme") == ()
    assert find("req_3") == ()
