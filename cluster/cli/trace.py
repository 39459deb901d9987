"""`mobula trace`: the recorded trace of a request, as a tree with bars."""

from typing import Annotated, Any

import typer

from cluster.cli.api import Json, Key, Tenant, api, show_one
from cluster.cli.output import print_plain

BAR = 30  # characters of a whole trace


def trace(
    id: Annotated[str, typer.Argument(help="A request id (`X-Request-ID`), or a trace id.")],
    tenant: Tenant = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Show where the time of a request went, if its trace is recorded."""
    with api(key) as cluster:
        found = cluster.get("traces", id, tenant=tenant)
    if as_json:
        show_one(found, as_json)
        return
    for number, recorded in enumerate(found["data"]):
        if number:
            print_plain("")
        for line in trace_lines(recorded):
            print_plain(line)


def trace_lines(recorded: dict[str, Any]) -> list[str]:
    """A heading, and a line for each span."""
    spans = recorded["spans"]
    heading = f"request {recorded['request_id']}  trace {recorded['trace_id']}"
    tenant = recorded["tenant"] or "nobody"
    lines = [f"{heading}  {tenant}  {recorded['reason']}"]
    names = ["  " * span["depth"] + span["name"] for span in spans]
    width = max(map(len, names))
    begin, whole_ms = spans[0]["start"], max(spans[0]["duration_ms"], 1e-6)
    for name, span in zip(names, spans, strict=True):
        offset_ms = (span["start"] - begin) * 1_000
        bar = _bar(offset_ms / whole_ms, span["duration_ms"] / whole_ms)
        line = f"{name:<{width}}  {bar}  {span['duration_ms']:>10.2f} ms"
        failure = f"failed: {span['error']}" if span["error"] else ""
        lines.append("  ".join(filter(None, (line, span["process"], failure))))
    return lines


def _bar(offset: float, length: float) -> str:
    """`offset` and `length` are parts of the whole; a bar is one character long at least."""
    start = min(BAR - 1, max(0, round(offset * BAR)))
    size = max(1, min(BAR - start, round(length * BAR)))
    return ("." * start + "#" * size).ljust(BAR, ".")
