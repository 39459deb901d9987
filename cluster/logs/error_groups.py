"""Errors of one process, grouped by fingerprint: how often, since when, and one request as example.

In: records of level error and above. Out: groups, at most MAX_GROUPS, the least recent go first.
The fingerprint is a digest of the exception's type and of the functions of ours that it went
through, without line numbers, so that it outlives an edit elsewhere in the file; without an
exception of the logger and the message's template. No values of the request are in it.
"""

import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from traceback import walk_tb
from types import TracebackType
from typing import Any

from cluster.runtime.installation import ROOT
from cluster.runtime.logging import logged_request, logged_trace, redact
from cluster.tracing.trace_context import trace_id_of

MAX_GROUPS = 200
MAX_TEXT = 300  # characters of a message's template
_FRAMES = 8  # innermost functions of ours
_DIGITS = 16
_PACKAGES = ("cluster", "deployments", "graphs")


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """`message` is the template, without values; `where` the innermost function of ours. `first`
    and `last` are Unix seconds; `request_id`, `tenant` and `trace_id` are those of the last one
    that had a request."""

    fingerprint: str
    logger: str
    message: str
    exception: str
    where: str
    count: int
    first: float
    last: float
    request_id: str = ""
    tenant: str = ""
    processes: tuple[str, ...] = ()
    trace_id: str = ""


class ErrorGroups:
    """Of one process; from any thread."""

    def __init__(self, process: str) -> None:
        self.dropped = 0  # errors of groups that had to go
        self._process = process
        self._groups: OrderedDict[str, ErrorGroup] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, record: logging.LogRecord) -> ErrorGroup:
        """Count an error; returns its group."""
        request_id, tenant = logged_request.get()
        trace_id, at = logged_trace.get()[0] or trace_id_of(request_id), record.created
        request_id = redact(request_id)
        with self._lock:
            fingerprint, functions = fingerprint_of(record)
            group = self._groups.pop(fingerprint, None)
            if group is None:
                group = ErrorGroup(
                    fingerprint,
                    record.name,
                    redact(str(record.msg))[:MAX_TEXT],
                    _exception_name(record),
                    functions[-1] if functions else "",
                    count=1,
                    first=at,
                    last=at,
                    request_id=request_id,
                    tenant=tenant,
                    processes=(self._process,),
                    trace_id=trace_id,
                )
            else:
                group = replace(
                    group,
                    count=group.count + 1,
                    last=at,
                    request_id=request_id or group.request_id,
                    tenant=tenant if request_id else group.tenant,
                    trace_id=trace_id if request_id else group.trace_id,
                )
            self._groups[fingerprint] = group
            if len(self._groups) > MAX_GROUPS:
                self.dropped += self._groups.popitem(last=False)[1].count
        return group

    def report(self) -> list[dict[str, Any]]:
        """Plain values, which processes of other versions can read."""
        with self._lock:
            return [asdict(group) for group in self._groups.values()]


def merge_groups(reports: Iterable[Sequence[Mapping[str, Any]]]) -> list[ErrorGroup]:
    """The groups of several processes as one list, the most recent first."""
    merged: dict[str, ErrorGroup] = {}
    for report in reports:
        for values in report:
            names = ErrorGroup.__dataclass_fields__.keys() & values.keys()
            group = ErrorGroup(**{name: values[name] for name in names})
            other = merged.get(group.fingerprint)
            merged[group.fingerprint] = group if other is None else _join(other, group)
    return sorted(merged.values(), key=lambda group: -group.last)


def _join(one: ErrorGroup, other: ErrorGroup) -> ErrorGroup:
    newer = max(one, other, key=lambda group: (bool(group.request_id), group.last))
    return replace(
        newer,
        count=one.count + other.count,
        first=min(one.first, other.first),
        last=max(one.last, other.last),
        processes=tuple(sorted({*one.processes, *other.processes})),
    )


def fingerprint_of(record: logging.LogRecord) -> tuple[str, list[str]]:
    """The fingerprint, and the functions of ours on the way to the error, the innermost last."""
    _, error, trace = record.exc_info or (None, None, None)
    functions = [] if error is None else own_functions(trace or error.__traceback__)
    parts = [record.name, str(record.msg)] if error is None else [_exception_name(record)]
    text = "\0".join([*parts, *functions[-_FRAMES:]])
    digest = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=_DIGITS // 2)
    return digest.hexdigest(), functions[-_FRAMES:]


def own_functions(trace: TracebackType | None) -> list[str]:
    """`folder/module.py:function` of the frames of a traceback that are in our packages."""
    found = []
    for frame, _ in walk_tb(trace):
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in _PACKAGES:
            found.append(f"{path.relative_to(ROOT)}:{frame.f_code.co_qualname}")
    return found


def _exception_name(record: logging.LogRecord) -> str:
    kind = (record.exc_info or (None,))[0]
    return "" if kind is None else f"{kind.__module__}.{kind.__qualname__}"
