"""Scaling status as tables. In: the response of `GET /api/v1/scaling/status`. Out: rich tables."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.box import SIMPLE
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Column, Table

from cluster.cli.output import console

JsonObject = Mapping[str, Any]
MAX_DECISIONS = 8  # recent decisions to show
_BREAKER_COLOURS = {"closed": "green", "half-open": "yellow"}


def print_scaling(status: JsonObject) -> None:
    """Prints every deployment with a line for each replica."""
    console.print(scaling_view(status, replicas=True))


def scaling_view(status: JsonObject, *, replicas: bool = False) -> RenderableType:
    """Deployments and recent decisions, for print or live display."""
    parts: list[RenderableType] = [*_notes(status), _deployments(status["deployments"])]
    if replicas:
        parts += [_replicas(status["deployments"]), *_specs(status["deployments"])]
        parts.append(f"cost per hour  {status['cost_per_hour']:g}")
    parts += [*_bounds(status["deployments"]), *_decisions(status["deployments"])]
    return Group(*parts)


def _notes(status: JsonObject) -> Iterator[str]:
    for part in status["away"]:
        yield f"[bold yellow]{_UNREACHABLE_TEXTS.get(part, escape(part))}[/]"
    age_s = status["age_s"]
    if "controller" in status["away"] and age_s is not None:
        yield f"replica states are {age_s:.0f} s old"


_UNREACHABLE_TEXTS = {
    "controller": "Serve's controller does not answer",
    "ingress": "the other ingress replicas do not answer",
    "store": "the database does not answer: no bounds, no decisions",
}


def _deployments(deployments: Sequence[JsonObject]) -> Table:
    columns = ("replicas", "open", "tokens", "mean s", "queue", "breaker")
    table = _deployment_table(*columns)
    for deployment in deployments:
        rows = deployment["replicas"]
        table.add_row(
            escape(deployment["name"]),
            _counts(deployment),
            _sum(rows, "requests") if deployment["model"] else "",
            _sum(rows, "tokens") if deployment["model"] else "",
            _longest_mean(rows),
            _queue(deployment["queue"]),
            _breaker(deployment["calls"]),
        )
    return table


def _deployment_table(*columns: str) -> Table:
    name = Column("deployment", no_wrap=True)
    return Table(name, *columns, box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))


def _counts(deployment: JsonObject) -> str:
    """Replica counts, such as `2/3, 1 starting, 1 ejected`."""
    if deployment["target"] is None:
        return "?"
    details = [
        f"{deployment[name]} {name}" for name in ("starting", "stopping") if deployment[name]
    ]
    ejected = sum(replica["ejected_by"] > 0 for replica in deployment["replicas"])
    details += [f"[red]{ejected} ejected[/]"] if ejected else []
    ratio = f"{deployment['ready']}/{deployment['target']}"
    colour = "green" if deployment["ready"] >= deployment["target"] else "yellow"
    return ", ".join([f"[{colour}]{ratio}[/]", *details])


def _queue(queue: JsonObject | None) -> str:
    return "" if queue is None else f"{queue['running']} run, {queue['waiting']} wait"


def _sum(rows: Sequence[JsonObject], name: str) -> str:
    return str(sum(row[name] for row in rows))


def _longest_mean(rows: Sequence[JsonObject]) -> str:
    means = [row["mean_s"] for row in rows if row["mean_s"] is not None]
    return f"{max(means):.3f}" if means else ""


def _breaker(calls: JsonObject | None) -> str:
    if calls is None:
        return ""
    return ", ".join(
        f"[{_BREAKER_COLOURS.get(state, 'red')}]{state}[/]" + (f" x{count}" if count > 1 else "")
        for state, count in calls["breakers"].items()
    )


def _bounds(deployments: Sequence[JsonObject]) -> Iterator[str]:
    """Manual bounds, such as `Model:nano  held at 2 or more until 14:05:00, by key:abc`."""
    for bounds in filter(None, (each["bounds"] for each in deployments)):
        sides = (("floor", "or more"), ("ceiling", "or less"))
        limits = [f"{bounds[name]} {word}" for name, word in sides if bounds[name] is not None]
        until = "" if bounds["until"] is None else f" until {_time(bounds['until'])}"
        yield (
            f"{escape(bounds['deployment'])}  [yellow]held at {', '.join(limits)}[/]{until}, "
            f"by {escape(bounds['set_by'])}"
        )


def _replicas(deployments: Sequence[JsonObject]) -> Table:
    columns = ("replica", "state", "node", "open", "tokens", "mean s", "ejected")
    table = _deployment_table(*columns)
    for deployment in deployments:
        for replica in deployment["replicas"]:
            mean = "" if replica["mean_s"] is None else f"{replica['mean_s']:.3f}"
            table.add_row(
                escape(deployment["name"]),
                escape(replica["id"]),
                replica["state"] or "unknown",
                f"{replica['address']} {replica['node'][:8]}".strip(),
                str(replica["requests"]),
                str(replica["tokens"]),
                mean,
                _ejection(replica),
            )
    return table


def _ejection(replica: JsonObject) -> str:
    if not replica["ejected_by"]:
        return ""
    return f"[red]{replica['ejected_for_s']:.0f} s: {escape(replica['ejected_because'])}[/]"


def _specs(deployments: Sequence[JsonObject]) -> Iterator[str]:
    for each in deployments:
        if each["scaling"] is not None:
            yield f"{escape(each['name'])}: {escape(each['scaling']['words'])}"


def _decisions(deployments: Sequence[JsonObject]) -> Iterator[str]:
    decisions = [decision for decision in deployments for decision in decision["decisions"]]
    for decision in sorted(decisions, key=lambda decision: -decision["at"])[:MAX_DECISIONS]:
        yield (
            f"{_time(decision['at'])}  {escape(decision['deployment'])}  {decision['before']} -> "
            f"{decision['target']}  [bold]{escape(decision['bound'])}[/]  "
            f"{escape(decision['reason'])}"
        )


def _time(timestamp: float) -> str:
    return f"{datetime.fromtimestamp(timestamp, UTC):%H:%M:%S}"
