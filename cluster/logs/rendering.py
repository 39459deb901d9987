"""Log lines for a terminal: one line of text each, and tracebacks below it.

Clients chose parts of them, so control characters are shown and not sent to the terminal.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cluster.logs.reader import LogLine
from cluster.runtime.logging import escape_active

_SHOWN = frozenset({"ts", "level", "logger", "message", "process", "pid", "exception", "event"})
_ACCESS = frozenset({"method", "path", "status", "ms"})
_CONTROLS = {code: f"\\x{code:02x}" for code in range(0x20)}


def render(line: LogLine) -> str:
    """Time in the machine's zone, level, process, message, and the other fields."""
    values = line.values
    at = datetime.fromtimestamp(line.ts).astimezone()
    level = str(values.get("level", "warning")).upper()
    head = f"{at:%H:%M:%S}.{at.microsecond // 1000:03d} {level:<8} {line.process:<10}"
    hidden = _SHOWN | _ACCESS if _is_request(values) else _SHOWN
    rest = [(name, value) for name, value in values.items() if name not in hidden]
    details = "".join(f" {printable(n)}={_value(v)}" for n, v in rest if v is not None)
    exception = str(values.get("exception") or "").splitlines()
    below = "".join(f"\n    {printable(part)}" for part in exception)
    return f"{head} {printable(_message(values))}{details}{below}"


def _is_request(values: Mapping[str, Any]) -> bool:
    return "method" in values and "status" in values


def _message(values: Mapping[str, Any]) -> str:
    if not _is_request(values):
        return str(values.get("message") or values.get("event") or "")
    ms = values.get("ms")
    took = f" {ms:g} ms" if isinstance(ms, int | float) else ""
    return f"{values['method']} {values.get('path', '')} {values['status']}{took}"


def _value(value: object) -> str:
    text = printable(str(value))
    return f'"{text}"' if " " in text or not text else text


def printable(text: str) -> str:
    """`text` with what a terminal acts on shown as escapes."""
    return escape_active(text.translate(_CONTROLS).encode("utf-8", "replace")).decode()
