"""`mobula audit`: search, export, verify and prune the audit trail."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.cli.api import Json, Key, Tenant, api, new_app, show
from cluster.cli.output import fail, print_plain, print_rich

if TYPE_CHECKING:
    from cluster.audit.findings import VerificationReport
    from cluster.runtime.settings import Settings

audit = new_app("The audit trail.")
COLUMNS = ("at", "tenant", "actor", "action", "resource", "outcome", "request_id")
Actor = Annotated[str | None, typer.Option(help="`key:<id>` or `user:<id>`.")]
Action = Annotated[str | None, typer.Option(help="An action, or a prefix such as `key.`.")]
Outcome = Annotated[str | None, typer.Option(help="`ok`, or a problem such as forbidden.")]
Since = Annotated[float | None, typer.Option("--from", help="Unix seconds.")]
Until = Annotated[float | None, typer.Option("--to", help="Unix seconds, not included.")]


@audit.command()
def search(
    actor: Actor = None,
    action: Action = None,
    resource: Annotated[str | None, typer.Option(help="Such as `key:<id>`.")] = None,
    outcome: Outcome = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many, newest first.")] = 50,
    tenant: Tenant = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Find records."""
    query = {
        "actor": actor,
        "action": action,
        "resource": resource,
        "outcome": outcome,
        "from": since,
        "to": until,
        "tenant": tenant,
    }
    with api(key) as cluster:
        show(list(cluster.pages("audit", limit=limit, **query)), COLUMNS, as_json)


@audit.command()
def export(
    since: Since = None,
    until: Until = None,
    tenant: Tenant = None,
    key: Key = None,
) -> None:
    """Print every record as a line of JSON, the newest first."""
    with api(key) as cluster:
        query = {"from": since, "to": until, "tenant": tenant}
        for line in cluster.lines("audit", "export", **query):
            print_plain(line)


@audit.command()
def prune(
    before: Annotated[
        str,
        typer.Option(help="A day (UTC), such as 2026-01-31, or Unix seconds; at least a day ago."),
    ],
    key: Key = None,
) -> None:
    """Remove every tenant's records up to the last checkpoint before that time."""
    with api(key) as cluster:
        answer = cluster.post("audit", "prune", body={"before": _parse_time(before)})
        print_rich(f"{answer['removed']} records removed")


def _parse_time(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text


@audit.command()
def verify(
    copy: Annotated[
        list[Path] | None,
        typer.Option(help="A copy of a checkpoint file from another machine; repeat for more."),
    ] = None,
    checkpoints: Annotated[
        list[Path] | None,
        typer.Option(help="Checkpoint files of all nodes. [default: this home's]"),
    ] = None,
) -> None:
    """Verify every audit record and every row that grants rights (keys, users, signing keys),
    with or without a cluster. Exit code 1 on any finding."""
    report = _verify_trail(checkpoints or (), copy or ())
    for finding in report.findings:
        print_plain(f"  {finding}")
    for note in report.notes:
        print_plain(f"  note: {note}")
    counts = (
        f"{report.records} records, {report.writers} writers, {report.checkpoints} checkpoints, "
        f"{report.rows} rows of keys and users"
    )
    if not report.ok:
        raise typer.Exit(fail(f"{report.alarms} findings in {counts}"))
    print_rich(
        f"[bold green]verified[/] {counts}, {report.lost} records lost when they were written"
    )


def _verify_trail(checkpoints: Sequence[Path], copies: Sequence[Path]) -> "VerificationReport":
    import asyncio

    from cluster.runtime.problems import Problem
    from cluster.runtime.settings import Settings

    settings = Settings()
    try:
        return asyncio.run(_check(settings, checkpoints, copies))
    except FileNotFoundError:
        text = f"no database in {settings.home}; the first `mobula up` creates it"
        raise typer.Exit(fail(text)) from None
    except Problem as problem:
        raise typer.Exit(fail(problem.detail)) from None


async def _check(
    settings: "Settings", checkpoints: Sequence[Path], copies: Sequence[Path]
) -> "VerificationReport":
    from cluster.audit.checkpoints import FILE
    from cluster.audit.keys import AuditKeys
    from cluster.audit.verify import verify as check
    from cluster.auth.row_macs import RowMacs
    from cluster.auth.row_report import check_rows
    from cluster.secrets.key_files import AUDIT, load_pepper, store_url
    from cluster.storage.database import Database

    home = settings.home
    pepper = load_pepper(home, settings)
    keys = AuditKeys.derive(pepper)
    database = Database(store_url(home, settings))
    try:
        async with database.read() as connection:
            files = list(checkpoints) or [home / AUDIT / FILE]
            report = await check(connection, keys, files, copies)
            await check_rows(connection, RowMacs(pepper), report)
            return report
    finally:
        await database.close()
