"""Client of the running cluster's HTTP API for the administrative commands.

In: a method, a path and values. Out: the response's JSON, a table on the screen, or one sentence on
standard error and exit code 1. Loads httpx only when a request is sent.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from cluster.cli.output import console, fail, print_plain

if TYPE_CHECKING:
    import httpx

Row = dict[str, Any]
Key = Annotated[
    str | None,
    typer.Option(
        "--key", envvar="MOBULA_API_KEY", help="Act with this key. [default: the admin key]"
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Tenant = Annotated[
    str | None, typer.Option("--tenant", "-t", help="[default: the tenant of the key]")
]
TIMESTAMP_FIELDS = frozenset(
    ["created", "updated", "expires", "revoked", "last_used", "at", "next", "until", "set_at"]
)
NO_WRAP_COLUMNS = frozenset({"id", "kind"})  # values that an operator copies
PAGE_SIZE = 200
NEXT_CURSOR = "Mobula-Next-Cursor"


def connect(key: str | None) -> "httpx.Client":
    """A client of this machine's cluster; ends the command if none runs."""
    from cluster.cli.running_cluster import NOT_RUNNING, client, running_state
    from cluster.runtime.settings import Settings

    settings = Settings()
    state = running_state(settings)
    if state is None:
        raise typer.Exit(fail(NOT_RUNNING))
    http = client(state, settings)
    if key is not None:
        http.headers["Authorization"] = f"Bearer {key}"
    return http


class Api:
    """Requests of one command. An error response ends the command and prints the problem."""

    def __init__(self, http: "httpx.Client") -> None:
        self._http = http

    def get(self, *path: str, **query: Any) -> Any:
        return self._request("GET", path, query).json()

    def get_later(self, *path: str, wait_s: int) -> Any:
        """The same once it has ended, or after so many seconds."""
        headers = {"Prefer": f"wait={wait_s}"}
        return self._request("GET", path, {}, headers=headers).json()

    def post(
        self,
        *path: str,
        body: Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
        **query: Any,
    ) -> Any:
        return self._request("POST", path, query, body, headers).json()

    def put(self, *path: str, body: Mapping[str, Any]) -> Any:
        return self._request("PUT", path, {}, body).json()

    def patch(
        self,
        *path: str,
        body: Mapping[str, Any],
        with_none: bool = False,
        headers: Mapping[str, str] | None = None,
        **query: Any,
    ) -> Any:
        """Fields that are None are left out, unless they clear something there (`with_none`)."""
        sent = body if with_none else _without_none(body)
        return self._request("PATCH", path, query, sent, headers).json()

    def delete(self, *path: str, headers: Mapping[str, str] | None = None, **query: Any) -> None:
        self._request("DELETE", path, query, headers=headers)

    def pages(self, *path: str, limit: int | None = None, **query: Any) -> Iterator[Row]:
        """Iterates over a paginated listing; yields `limit` entries at most."""
        remaining, cursor = limit if limit is not None else sys.maxsize, None
        while remaining > 0:
            page = self.get(*path, **query, limit=min(PAGE_SIZE, remaining), cursor=cursor)
            yield from page["data"]
            remaining, cursor = remaining - len(page["data"]), page["next_cursor"]
            if cursor is None:
                return

    def text(self, media_type: str, *path: str, **query: Any) -> str:
        """The response in another media type than JSON; a listing of several pages ends the
        command, because those of a table cannot be joined.
        """
        response = self._request("GET", path, query, headers={"Accept": media_type})
        if NEXT_CURSOR in response.headers:
            raise typer.Exit(fail("These are too many rows for one table; ask for fewer days."))
        return response.text

    def lines(self, *path: str, **query: Any) -> Iterator[str]:
        """The lines of a streamed response."""
        with self._http.stream("GET", _url(path), params=_without_none(query)) as response:
            if response.is_error:
                response.read()
                raise typer.Exit(_report_refusal(response))
            yield from response.iter_lines()

    def upload(self, file: Path, purpose: str) -> Row:
        """Send a file to `/v1/files`; ends the command where it cannot be read."""
        try:
            with file.open("rb") as content:
                response = self._http.post(
                    "/v1/files", data={"purpose": purpose}, files={"file": (file.name, content)}
                )
        except OSError as error:
            raise typer.Exit(fail(f"{file}: {error}")) from None
        if response.is_error:
            raise typer.Exit(_report_refusal(response))
        stored: Row = response.json()
        return stored

    def file_lines(self, file: str) -> Iterator[str]:
        """The lines of a file of `/v1/files`, while they arrive."""
        with self._http.stream("GET", f"/v1/files/{quote(file, safe='')}/content") as response:
            if response.is_error:
                response.read()
                raise typer.Exit(_report_refusal(response))
            yield from response.iter_lines()

    def download(self, path: str, file: Path) -> None:
        """Save the file at `path`, a link that the cluster gave."""
        with self._http.stream("GET", path) as response:
            if response.is_error:
                response.read()
                raise typer.Exit(_report_refusal(response))
            with file.open("wb") as saved:
                for block in response.iter_bytes():
                    saved.write(block)

    def tenant(self, tenant: str | None) -> str:
        """The given tenant, or the tenant of the key."""
        return tenant or str(self.get("auth", "me")["tenant"])

    def _request(
        self,
        method: str,
        path: Sequence[str],
        query: Mapping[str, Any],
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> "httpx.Response":
        response = self._http.request(
            method, _url(path), params=_without_none(query), json=body, headers=headers
        )
        if response.is_error:
            raise typer.Exit(_report_refusal(response))
        return response


@contextmanager
def api(key: str | None) -> Iterator[Api]:
    """A connected `Api`. Resolves `connect` at call time, so tests can replace it."""
    import httpx

    try:
        with connect(key) as http:
            yield Api(http)
    except httpx.HTTPError as error:
        raise typer.Exit(fail(f"the cluster does not answer: {error}")) from None


def _url(path: Sequence[str]) -> str:
    return "/api/v1/" + "/".join(quote(part, safe="") for part in path)


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _report_refusal(response: "httpx.Response") -> int:
    try:
        problem = response.json()
        if "error" in problem:  # in OpenAI's form
            return fail(problem["error"]["message"])
        faults = [f"{e.get('pointer', '')}: {e['detail']}" for e in problem.get("errors", ())]
        return fail("\n".join(faults) or problem["detail"])
    except (ValueError, KeyError):
        return fail(f"HTTP {response.status_code}")


def show(rows: Sequence[Row], columns: Sequence[str], as_json: bool) -> None:
    """Prints a table of `columns`, or every field as JSON."""
    from rich.table import Table

    if as_json:
        print_plain(json.dumps(list(rows), indent=1))
        return
    table = Table()
    for name in columns:
        table.add_column(name, no_wrap=name in NO_WRAP_COLUMNS, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(name, row.get(name)) for name in columns))
    console.print(table)


def show_one(row: Row, as_json: bool) -> None:
    """Prints each field on a line, or all of them as JSON."""
    if as_json:
        print_plain(json.dumps(row, indent=1))
        return
    width = max(map(len, row))
    for name, value in row.items():
        print_plain(f"{name:<{width}}  {_cell(name, value)}")


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name in TIMESTAMP_FIELDS and isinstance(value, int | float):
        return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M:%S}"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return json.dumps(value) if isinstance(value, dict) else str(value)


def secret(prompt: str, *, twice: bool = False) -> str:
    """A password from the terminal without echo, or the first line of standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    prompt_user: Callable[..., str] = typer.prompt
    return prompt_user(prompt, hide_input=True, confirmation_prompt=twice)


def new_app(help_text: str) -> typer.Typer:
    return typer.Typer(help=help_text, no_args_is_help=True, pretty_exceptions_enable=False)
