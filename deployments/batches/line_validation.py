"""Which lines of a batch's file are none, before any is called.

In: the lines of the file. Out: how many calls there are, or what is wrong in which lines. A file
with a fault is refused as a whole, as OpenAI does.
"""

import re
from collections.abc import AsyncIterable, Awaitable, Callable, Collection
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from cluster.runtime.clock import Clock
from cluster.runtime.problems import InvalidRequest
from deployments.batches.jsonl import MAX_LINE_BYTES, FileLine
from deployments.batches.model import BatchItem

MAX_LINES = 50_000
MAX_ERRORS = 100  # then the rest is not read
MAX_CUSTOM_ID = 512  # characters
_SLICE_S = 0.0005  # of the event loop at a time
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class InvalidBatchFile(InvalidRequest):
    """The batch names the faults by line."""

    slug, title = "invalid-batch-file", "The batch's file is not valid"


@dataclass(frozen=True, slots=True)
class LineError:
    """`line` is from 1 (None: of the file)."""

    code: str
    message: str
    line: int | None = None
    param: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "message": self.message,
            "line": self.line,
            "param": self.param,
        }


@dataclass(frozen=True, slots=True)
class Validation:
    """`calls` are the lines that are not blank; what was read of them where there are `errors`."""

    calls: int
    errors: tuple[LineError, ...]


class LineFault(Exception):
    """Why a line is no call."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code, self.param = code, param


async def validate_lines(
    lines: AsyncIterable[FileLine],
    urls: Collection[str],
    clock: Clock,
    pause: Callable[[], Awaitable[None]],
) -> Validation:
    """Lines may name `urls`. `pause` is awaited after each half millisecond of work."""
    checks, since = _FileChecks(urls), clock.monotonic()
    async for line in lines:
        if not checks.add(line):
            break
        if clock.monotonic() - since >= _SLICE_S:
            await pause()
            since = clock.monotonic()
    return checks.end()


class _FileChecks:
    """What is known of the lines so far. Names are held as digests: 50,000 may be long."""

    def __init__(self, urls: Collection[str]) -> None:
        self._urls = urls
        self._names = set[bytes]()
        self._errors: list[LineError] = []
        self._calls = 0

    def add(self, line: FileLine) -> bool:
        """Whether to go on."""
        if line.content == b"":
            return True
        self._calls += 1
        if self._calls > MAX_LINES:
            message = f"The file has over {MAX_LINES} lines, the limit of a batch."
            self._errors.append(LineError("too_many_lines", message, line.number + 1))
            return False
        try:
            self._check_name(parse_line(line, self._urls).custom_id or "")
        except LineFault as fault:
            error = LineError(fault.code, str(fault), line.number + 1, fault.param)
            self._errors.append(error)
        return len(self._errors) < MAX_ERRORS

    def end(self) -> Validation:
        if not self._calls:
            self._errors.append(LineError("empty_file", "The file has no lines."))
        return Validation(self._calls, tuple(self._errors))

    def _check_name(self, custom_id: str) -> None:
        digest = blake2b(custom_id.encode(), digest_size=16).digest()
        if digest in self._names:
            message = f"Another line has the custom_id '{custom_id[:100]}'."
            raise LineFault("duplicate_custom_id", message, "custom_id")
        self._names.add(digest)


def item_of(line: FileLine, urls: Collection[str]) -> BatchItem:
    """The call that a line of a validated file makes. Raises InvalidBatchFile for another."""
    try:
        return parse_line(line, urls)
    except LineFault as fault:
        raise InvalidBatchFile(f"Line {line.number + 1}: {fault}") from None


def parse_line(line: FileLine, urls: Collection[str]) -> BatchItem:
    """Raises LineFault."""
    value = _object(line.content)
    custom_id, body = value.get("custom_id"), value.get("body")
    if not isinstance(custom_id, str) or not 1 <= len(custom_id) <= MAX_CUSTOM_ID:
        message = f"custom_id: must be a text of 1 to {MAX_CUSTOM_ID} characters."
        raise LineFault("invalid_custom_id", message, "custom_id")
    if _CONTROL.search(custom_id):
        raise LineFault("invalid_custom_id", "custom_id: has control characters.", "custom_id")
    if value.get("method", "POST") != "POST":
        raise LineFault("invalid_method", "method: must be 'POST'.", "method")
    if value.get("url", next(iter(urls))) not in urls:
        names = " or ".join(f"'{url}'" for url in urls)
        raise LineFault("mismatched_url", f"url: must be {names}, as of the batch.", "url")
    if not isinstance(body, dict):
        raise LineFault("invalid_body", "body: must be a JSON object.", "body")
    return BatchItem(line.number, custom_id, orjson.dumps(body))


def _object(content: bytes | None) -> dict[str, Any]:
    if content is None:
        raise LineFault("line_too_large", f"The line has over {MAX_LINE_BYTES} bytes.")
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise LineFault("invalid_json_line", f"The line is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise LineFault("invalid_json_line", "The line is not a JSON object.")
    return value
