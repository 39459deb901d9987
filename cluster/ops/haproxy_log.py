"""The log of requests that HAProxy itself ends: refused, timed out, or without a replica.

In: Serve's configuration, which logs every request twice. Out: lines for it that log only requests
which no replica has answered, at most MAX_PER_S a second and MAX_PER_HOUR an hour, each as one line
of JSON in the node's `logs/haproxy-<pid>.log`. All others are in the access log of the ingress.
What HAProxy could not parse, and a client that left before any response, has no line: HAProxy's
metrics count both. HAProxy adds a line of text when a worker ends. Standard library only: this runs
at each start of HAProxy.
"""

import os
from collections.abc import Iterator
from pathlib import Path

MAX_PER_S = 10
MAX_PER_HOUR = 1_000
MAX_FILES = 16  # each start and each reload makes one
DESCRIPTOR = 60  # always the same: HAProxy may be started again with a completed configuration
REMOVED = ("log ", "log-format", "option httplog", "option log-health-checks")

_TABLE = "own_responses"
# HAProxy fills these in. `ends`: the state in which it ended (its manual, section 8.5).
_LINE = (
    '{"ts":%Ts.%ms,"event":"haproxy","request_id":"%[var(txn.request_id)]","status":%ST,'
    '"ends":"%ts","ms":%Ta,"client":"%ci","replica":"%s"}'
)


def open_log(home: str | None) -> None:
    """Opens the log of this process as DESCRIPTOR, which HAProxy inherits by `exec`.

    Removes the oldest logs. Lines are lost where no file can be opened.
    """
    try:
        log = _open(home)
    except OSError:
        log = os.open(os.devnull, os.O_WRONLY)
    os.dup2(log, DESCRIPTOR)
    os.close(log)


def _open(home: str | None) -> int:
    """HAProxy clears O_APPEND, so no two processes may share a file. Raises OSError."""
    if not home:
        return os.open(os.devnull, os.O_WRONLY)
    folder = Path(home) / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    logs = sorted(folder.glob("haproxy-*.log"), key=lambda each: each.stat().st_mtime)
    for path in logs[: -(MAX_FILES - 1)]:
        path.unlink(missing_ok=True)
    path = folder / f"haproxy-{os.getpid()}.log"
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)


def without_serves_logs(lines: list[str]) -> list[str]:
    """The lines of a section without those that log."""
    return [line for line in lines if not line.strip().startswith(REMOVED)]


def log_rules() -> Iterator[str]:
    """Lines for the HTTP frontend, before any rule that answers."""
    yield f"tcp-request connection track-sc1 int(0) table {_TABLE}"
    yield f"log fd@{DESCRIPTOR} format raw local0 notice"
    escaped = _LINE.replace('"', '\\"')
    yield f'log-format "{escaped}"'
    # `info` is below the target's level; `silent` costs even less.
    yield "http-request set-log-level silent"
    yield "http-response set-var(txn.replica_answered) bool(1)"
    # Other rules of HAProxy answer 400 only in place of a client that has left.
    own = "!{ var(txn.replica_answered) -m found } { status gt 400 }"
    rates = f"{{ sc1_gpc0_rate({_TABLE}) gt {MAX_PER_S} }}"
    rates += f" || {{ sc1_gpc1_rate({_TABLE}) gt {MAX_PER_HOUR} }}"
    yield f"http-after-response sc-inc-gpc0(1) if {own}"
    yield f"http-after-response sc-inc-gpc1(1) if {own}"
    yield f"http-after-response set-log-level notice if {own}"
    yield f"http-after-response set-log-level silent if {rates}"


def log_sections() -> Iterator[str]:
    """A section of its own: the table that counts lines."""
    yield f"backend {_TABLE}"
    yield "    stick-table type integer size 1 store gpc0,gpc0_rate(1s),gpc1,gpc1_rate(1h)"
