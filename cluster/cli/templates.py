"""`mobula templates`: prompt templates of a tenant, their versions and tests."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cluster.cli.api import Json, Key, Tenant, api, new_app, show, show_one
from cluster.cli.output import fail, print_plain, print_rich

templates = new_app("Prompt templates of a tenant, their versions and tests.")
COLUMNS = ("id", "active", "latest", "labels", "require_tests", "description", "updated")
VERSIONS = ("version", "author", "note", "passed", "created", "activated")
RESULTS = ("index", "name", "status", "failures", "output")
Id = Annotated[str, typer.Argument(help="The template's id.")]
Version = Annotated[int, typer.Argument(help="The version's number.")]
VersionOption = Annotated[
    int | None, typer.Option("--version", help="[default: the active version]")
]
Label = Annotated[str, typer.Option(help="The label that is moved.")]
File = Annotated[
    Path, typer.Argument(help="JSON or YAML: messages or text, variables, defaults; - for stdin.")
]
Note = Annotated[str, typer.Option(help="What has changed.")]
_FAILED = 3  # exit code where an example has failed


@templates.command("list")
def list_templates(tenant: Tenant = None, key: Key = None, as_json: Json = False) -> None:
    """List a tenant's templates."""
    with api(key) as cluster:
        show(list(cluster.pages("templates", tenant=tenant)), COLUMNS, as_json)


@templates.command("show")
def show_template(
    template: Id, version: VersionOption = None, tenant: Tenant = None, key: Key = None
) -> None:
    """Print a template, or one version of it, as JSON."""
    path = ("templates", template, *(() if version is None else ("versions", str(version))))
    with api(key) as cluster:
        print_plain(json.dumps(cluster.get(*path, tenant=tenant), indent=1, ensure_ascii=False))


@templates.command()
def create(
    template: Id,
    file: File,
    note: Note = "",
    description: Annotated[str, typer.Option(help="What the template is for.")] = "",
    tenant: Tenant = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Create a template and its first version, a draft."""
    body = {"id": template, "description": description, "note": note, **_read(file)}
    with api(key) as cluster:
        show_one(cluster.post("templates", body=body, tenant=tenant), as_json)


@templates.command()
def add(template: Id, file: File, note: Note = "", tenant: Tenant = None, key: Key = None) -> None:
    """Add a version, a draft, and print its number."""
    body = {"note": note, **_read(file)}
    with api(key) as cluster:
        made = cluster.post("templates", template, "versions", body=body, tenant=tenant)
        print_plain(str(made["version"]))


@templates.command()
def versions(template: Id, tenant: Tenant = None, key: Key = None, as_json: Json = False) -> None:
    """List a template's versions, newest first."""
    with api(key) as cluster:
        show(
            list(cluster.pages("templates", template, "versions", tenant=tenant)), VERSIONS, as_json
        )


@templates.command()
def diff(
    template: Id, before: Version, after: Version, tenant: Tenant = None, key: Key = None
) -> None:
    """Compare two versions."""
    query = {"from": before, "to": after}
    with api(key) as cluster:
        found = cluster.get("templates", template, "diff", **query, tenant=tenant)
    print_plain(found["diff"])
    for change in found["changes"]:
        old, new = (json.dumps(change[side]) for side in ("before", "after"))
        print_plain(f"{change['field']}: {old} -> {new}")


@templates.command()
def activate(
    template: Id,
    version: Version,
    label: Label = "production",
    tenant: Tenant = None,
    key: Key = None,
) -> None:
    """Let a label point to a version; every replica follows within a second."""
    _move("activate", template, {"version": version, "label": label}, tenant, key)


@templates.command()
def rollback(
    template: Id,
    to: Annotated[int | None, typer.Option(help="[default: the version before]")] = None,
    label: Label = "production",
    tenant: Tenant = None,
    key: Key = None,
) -> None:
    """Let a label point to a version that was active before."""
    _move("rollback", template, {"version": to, "label": label}, tenant, key)


@templates.command()
def render(
    template: Id,
    value: Annotated[
        list[str] | None,
        typer.Option("--value", "-v", help="name=text, or name:=JSON for other types; repeat."),
    ] = None,
    version: VersionOption = None,
    tenant: Tenant = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Print what a version renders to, without calling a model."""
    body = {"version": version, "variables": dict(map(_value, value or []))}
    with api(key) as cluster:
        found = cluster.post("templates", template, "render", body=body, tenant=tenant)
    if as_json:
        print_plain(json.dumps(found, indent=1, ensure_ascii=False))
        return
    for message in found["messages"] or ():
        print_plain(f"[{message['role']}]\n{message['content']}")
    if found["text"] is not None:
        print_plain(found["text"])


@templates.command("test")
def run_examples(
    template: Id,
    version: VersionOption = None,
    model: Annotated[str | None, typer.Option(help="[default: the template's]")] = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Try the template's examples with a model. Exit code 3: one has failed."""
    with api(key) as cluster:
        body = {"version": version, "model": model}
        report = cluster.post("templates", template, "test", body=body)
    if as_json:
        print_plain(json.dumps(report, indent=1, ensure_ascii=False))
    else:
        show(report["results"], RESULTS, as_json=False)
        print_rich(f"{report['passed']} passed, {report['failed']} failed")
    if report["failed"]:
        raise typer.Exit(_FAILED)


@templates.command()
def delete(template: Id, tenant: Tenant = None, key: Key = None) -> None:
    """Delete a template with all its versions."""
    with api(key) as cluster:
        cluster.delete("templates", template, tenant=tenant)
        print_rich(f"{template} is deleted")


def _move(
    action: str, template: str, body: dict[str, Any], tenant: str | None, key: str | None
) -> None:
    with api(key) as cluster:
        move = cluster.post("templates", template, action, body=body, tenant=tenant)
        print_plain(f"{move['label']} -> {template}@{move['version']}")


def _value(given: str) -> tuple[str, Any]:
    """`name=text` or `name:=JSON`."""
    name, sign, text = given.partition("=")
    if not sign:
        raise typer.Exit(fail(f"{given}: give name=text or name:=JSON"))
    if not name.endswith(":"):
        return name, text
    try:
        return name[:-1], json.loads(text)
    except ValueError as error:
        raise typer.Exit(fail(f"{given}: {error}")) from None


def _read(file: Path) -> dict[str, Any]:
    import yaml

    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text()
        document = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise typer.Exit(fail(f"{file}: {error}")) from None
    if not isinstance(document, dict):
        raise typer.Exit(
            fail(f"{file}: is not a template; one is an object with messages or a text")
        )
    return document
