"""The status of scaling on a screen. In: what `GET /api/v1/scaling/status` answers. Out: tables."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.box import SIMPLE
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Column, Table

from cluster.cli.output import console

Found = Mapping[str, Any]
LINES = 8  # recent decisions on the screen
_STATES = {"closed": "green", "half-open": "yellow"}


def print_scaling(found: Found) -> None:
    """Everything, with a line for each replica."""
    console.print(scaling_view(found, replicas=True))


def scaling_view(found: Found, *, replicas: bool = False) -> RenderableType:
    """Deployments and recent decisions, for printing or to be shown live."""
    parts: list[RenderableType] = [*_notes(found), _deployments(found["deployments"])]
    if replicas:
        parts += [_replicas(found["deployments"]), *_specs(found["deployments"])]
        parts.append(f"cost per hour  {found['cost_per_hour']:g}")
    parts += [*_bounds(found["deployments"]), *_decisions(found["deployments"])]
    return Group(*parts)


def _notes(found: Found) -> Iterator[str]:
    for part in found["away"]:
        yield f"[bold yellow]{_AWAY.get(part, escape(part))}[/]"
    age_s = found["age_s"]
    if "controller" in found["away"] and age_s is not None:
        yield f"replicas are shown as they were {age_s:.0f} s ago"


_AWAY = {
    "controller": "Serve's controller does not answer",
    "ingress": "the other ingress replicas do not answer",
    "store": "the store does not answer: no bounds, no decisions",
}


def _deployments(deployments: Sequence[Found]) -> Table:
    columns = ("replicas", "open", "tokens", "mean s", "queue", "breaker")
    table = _table(*columns)
    for each in deployments:
        rows = each["replicas"]
        table.add_row(
            escape(each["name"]),
            _counts(each),
            _sum(rows, "requests") if each["model"] else "",
            _sum(rows, "tokens") if each["model"] else "",
            _longest(rows),
            _queue(each["queue"]),
            _breaker(each["calls"]),
        )
    return table


def _table(*columns: str) -> Table:
    name = Column("deployment", no_wrap=True)
    return Table(name, *columns, box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))


def _counts(each: Found) -> str:
    """Such as `2/3 +1 starting, 1 ejected`."""
    if each["target"] is None:
        return "?"
    more = [f"{each[name]} {name}" for name in ("starting", "stopping") if each[name]]
    ejected = sum(replica["ejected_by"] > 0 for replica in each["replicas"])
    more += [f"[red]{ejected} ejected[/]"] if ejected else []
    word = f"{each['ready']}/{each['target']}"
    colour = "green" if each["ready"] >= each["target"] else "yellow"
    return ", ".join([f"[{colour}]{word}[/]", *more])


def _queue(queue: Found | None) -> str:
    return "" if queue is None else f"{queue['running']} run, {queue['waiting']} wait"


def _sum(rows: Sequence[Found], name: str) -> str:
    return str(sum(row[name] for row in rows))


def _longest(rows: Sequence[Found]) -> str:
    means = [row["mean_s"] for row in rows if row["mean_s"] is not None]
    return f"{max(means):.3f}" if means else ""


def _breaker(calls: Found | None) -> str:
    if calls is None:
        return ""
    return ", ".join(
        f"[{_STATES.get(state, 'red')}]{state}[/]" + (f" x{count}" if count > 1 else "")
        for state, count in calls["breakers"].items()
    )


def _bounds(deployments: Sequence[Found]) -> Iterator[str]:
    """Such as: `Model:nano  held at 2 or more until 14:05:00, by key:abc`."""
    for bounds in filter(None, (each["bounds"] for each in deployments)):
        sides = (("floor", "or more"), ("ceiling", "or less"))
        words = [f"{bounds[name]} {word}" for name, word in sides if bounds[name] is not None]
        until = "" if bounds["until"] is None else f" until {_time(bounds['until'])}"
        yield (
            f"{escape(bounds['deployment'])}  [yellow]held at {', '.join(words)}[/]{until}, "
            f"by {escape(bounds['set_by'])}"
        )


def _replicas(deployments: Sequence[Found]) -> Table:
    columns = ("replica", "state", "node", "open", "tokens", "mean s", "ejected")
    table = _table(*columns)
    for each in deployments:
        for replica in each["replicas"]:
            mean = "" if replica["mean_s"] is None else f"{replica['mean_s']:.3f}"
            table.add_row(
                escape(each["name"]),
                escape(replica["id"]),
                replica["state"] or "unknown",
                f"{replica['address']} {replica['node'][:8]}".strip(),
                str(replica["requests"]),
                str(replica["tokens"]),
                mean,
                _ejected(replica),
            )
    return table


def _ejected(replica: Found) -> str:
    if not replica["ejected_by"]:
        return ""
    return f"[red]{replica['ejected_for_s']:.0f} s: {escape(replica['ejected_because'])}[/]"


def _specs(deployments: Sequence[Found]) -> Iterator[str]:
    for each in deployments:
        if each["scaling"] is not None:
            yield f"{escape(each['name'])}: {escape(each['scaling']['words'])}"


def _decisions(deployments: Sequence[Found]) -> Iterator[str]:
    decisions = [decision for each in deployments for decision in each["decisions"]]
    for each in sorted(decisions, key=lambda decision: -decision["at"])[:LINES]:
        yield (
            f"{_time(each['at'])}  {escape(each['deployment'])}  {each['before']} -> "
            f"{each['target']}  [bold]{escape(each['bound'])}[/]  {escape(each['reason'])}"
        )


def _time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S}"
