"""The child's side of python_child: reads the request, runs a function, writes its answer.

Runs inside the sandbox. A problem of cluster.runtime.problems is reported by name; errors of PyAV
mean a damaged recording; anything else is a fault of ours, whose traceback goes to stderr.
"""

import errno
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from cluster.runtime.problems import Problem
from deployments.sandbox.errors import ScratchFull, to_wire

Answer = Callable[[dict[str, Any]], dict[str, Any]]


def run_child(function: Answer) -> None:
    """For the end of a module that python_child runs, under `if __name__ == "__main__":`."""
    request = msgspec.json.decode(sys.stdin.buffer.read())
    Path(sys.argv[1]).write_bytes(msgspec.json.encode(answer_or_problem(function, request)))
    sys.stdout.flush()


def answer_or_problem(function: Answer, request: dict[str, Any]) -> dict[str, Any]:
    """What is written: `{"answer": ...}`, or `{"problem": {"kind": ...}}`."""
    try:
        return {"answer": function(request)}
    except Problem as problem:
        return {"problem": to_wire(problem)}
    except Exception as error:  # noqa: BLE001 (every error is reported to the caller)
        traceback.print_exc()
        return {"problem": _problem_of(error)}


def _problem_of(error: Exception) -> dict[str, Any]:
    number = getattr(error, "errno", None)
    if isinstance(error, MemoryError) or number == errno.ENOMEM:
        return {"kind": "memory"}
    if number == errno.EFBIG:
        return {"kind": "output"}
    if number == errno.ENOSPC:
        return to_wire(ScratchFull())
    if type(error).__module__.startswith("av.") or _is_av_error(error):
        return {"kind": "damaged"}
    return {"kind": "fault"}


def _is_av_error(error: Exception) -> bool:
    av = sys.modules.get("av")
    return av is not None and isinstance(error, av.FFmpegError)
