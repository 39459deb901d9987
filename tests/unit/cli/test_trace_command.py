"""How `mobula trace` draws a trace."""

from typing import Any

from cluster.cli.trace import BAR, trace_lines


def span(name: str, depth: int, start: float, ms: float, **more: str) -> dict[str, Any]:
    return {
        "name": name, "depth": depth, "start": start, "duration_ms": ms, "process": "",
        "error": "", **more,
    }  # fmt: skip


def test_each_span_is_a_line_with_its_place_in_the_whole() -> None:
    recorded = {
        "request_id": "req_1",
        "trace_id": "ab" * 16,
        "tenant": "acme",
        "reason": "failed",
        "spans": [
            span("POST /v1/chat", 0, 10.0, 300.0),
            span("chat nano", 1, 10.1, 200.0, error="model-failed"),
            span("generate nano", 2, 10.1, 100.0, process="r1"),
        ],
    }

    heading, root, call, generate = trace_lines(recorded)

    assert heading == f"request req_1  trace {'ab' * 16}  acme  failed"
    assert root == f"POST /v1/chat      {'#' * BAR}      300.00 ms"
    third = "." * (BAR // 3)
    assert f"  chat nano        {third}{'#' * (2 * BAR // 3)}  " in f"{call}  "
    assert call.endswith("200.00 ms  failed: model-failed")
    assert f"{third}{'#' * (BAR // 3)}{third}" in generate
    assert generate.endswith("100.00 ms  r1")


def test_a_span_of_no_length_is_still_seen() -> None:
    recorded = {
        "request_id": "r", "trace_id": "t", "tenant": "", "reason": "slow",
        "spans": [span("a", 0, 10.0, 100.0), span("b", 1, 10.1, 0.0)],
    }  # fmt: skip

    heading, _, last = trace_lines(recorded)

    assert "nobody" in heading
    assert f"{'.' * (BAR - 1)}#" in last
