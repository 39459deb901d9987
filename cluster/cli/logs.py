"""`mobula logs`: the log files of this machine merged; errors in groups; levels, while it runs."""

import re
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.cli.api import Json, Key, api, show, show_one
from cluster.cli.output import fail

if TYPE_CHECKING:
    from cluster.logs.reader import LogFilter, LogLine

logs = typer.Typer(
    help="Show the logs of this machine; errors in groups; change levels while it runs.",
    pretty_exceptions_enable=False,
)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_POLL_S = 0.25
ERRORS = (
    "fingerprint", "count", "first", "last", "exception", "where", "message", "request_id",
    "trace_id",
)  # fmt: skip
LEVELS = ("logger", "level", "until", "set_at")


@logs.callback(invoke_without_command=True)
def show_logs(
    context: typer.Context,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines.")] = False,
    request: Annotated[
        str | None, typer.Option("--request", help="Only lines of the request with this id.")
    ] = None,
    tenant: Annotated[
        str | None, typer.Option("--tenant", "-t", help="Only lines of this tenant.")
    ] = None,
    level: Annotated[
        str | None,
        typer.Option("--level", "-l", help="debug, info, warning, error or critical, and above."),
    ] = None,
    since: Annotated[
        str, typer.Option(help="As far back, such as 30s, 10m, 2h or 1d; `all`.")
    ] = "10m",
    as_json: Annotated[bool, typer.Option("--json", help="Print the lines as written.")] = False,
) -> None:
    """Show the lines of all processes of this machine in order of time."""
    if context.invoked_subcommand is not None:
        return
    from cluster.logs.reader import LogFilter
    from cluster.logs.schema import LEVEL_NUMBERS

    if level is not None and level.lower() not in LEVEL_NUMBERS:
        raise typer.Exit(fail(f"--level: one of {', '.join(LEVEL_NUMBERS)}"))
    try:
        seconds = None if since == "all" else parse_duration(since)
    except ValueError as error:
        raise typer.Exit(fail(f"--since: {error}")) from None
    begin = None if seconds is None else time.time() - seconds
    wanted = LogFilter(request, tenant, level and level.lower(), begin)
    raise typer.Exit(run(wanted, follow, as_json))


@logs.command("errors")
def list_errors(key: Key = None, as_json: Json = False) -> None:
    """List the errors of all processes of the cluster in groups, the most recent first."""
    with api(key) as cluster:
        show(cluster.get("logs", "errors")["data"], ERRORS, as_json)


@logs.command("levels")
def list_levels(key: Key = None, as_json: Json = False) -> None:
    """List the levels that are changed now."""
    with api(key) as cluster:
        show(cluster.get("logs", "levels")["data"], LEVELS, as_json)


@logs.command("level")
def set_level(
    level: Annotated[str, typer.Argument(help="DEBUG, INFO, WARNING or ERROR.")],
    logger: Annotated[
        str, typer.Option(help="Only this logger and those below it, such as mobula.jobs.")
    ] = "mobula",
    for_: Annotated[str, typer.Option("--for", help="As long, such as 10m; 24h at most.")] = "15m",
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Change a level in every process of the cluster, for a while."""
    try:
        seconds = parse_duration(for_)
    except ValueError as error:
        raise typer.Exit(fail(f"--for: {error}")) from None
    body = {"logger": logger, "level": level.upper(), "for_s": seconds}
    with api(key) as cluster:
        show_one(cluster.put("logs", "levels", body=body), as_json)


@logs.command("reset")
def reset_level(
    logger: Annotated[str, typer.Option(help="The logger whose level was changed.")] = "mobula",
    key: Key = None,
) -> None:
    """Go back to the configured level now."""
    with api(key) as cluster:
        cluster.delete("logs", "levels", logger=logger)


def parse_duration(text: str) -> float:
    """Seconds. Raises ValueError."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"'{text}' is not a time such as 30s, 10m, 2h or 1d")
    return float(match[1]) * _UNITS[match[2]]


def run(wanted: "LogFilter", follow: bool, as_json: bool) -> int:
    """Print lines until the end, or with `follow` until the command is interrupted."""
    from cluster.logs.process_log import FOLDER
    from cluster.runtime.settings import Settings

    folder = Settings().home / FOLDER
    if not folder.is_dir():
        return fail(f"there are no logs in {folder}")
    with suppress(KeyboardInterrupt, BrokenPipeError):
        _print_all(folder, wanted, follow, _printer(as_json))
    return 0


def _print_all(
    folder: Path, wanted: "LogFilter", follow: bool, write: Callable[["LogLine"], None]
) -> None:
    from cluster.logs.reader import LogFollower, read_lines

    if not follow:
        for line in read_lines(folder, wanted):
            write(line)
        return
    follower = LogFollower(folder, wanted, time.time)
    while True:
        for line in follower.new_lines():
            write(line)
        time.sleep(_POLL_S)


def _printer(as_json: bool) -> Callable[["LogLine"], None]:
    from cluster.logs.rendering import render

    def write(line: "LogLine") -> None:
        sys.stdout.write(line.text.decode("utf-8", "replace") if as_json else render(line))
        sys.stdout.write("\n")
        sys.stdout.flush()

    return write
