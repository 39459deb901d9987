"""The child's side of ResidentChild: reads requests, runs a function for each, writes its answers.

Runs inside the sandbox. What libraries print goes to stderr.
"""

import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

import msgspec

Respond = Callable[[dict[str, Any], bytes], dict[str, Any]]


def answer_requests(respond: Respond, ready: dict[str, Any]) -> None:
    """`ready` is the first answer, to no request. `respond` gets a request and its bytes, of the
    number `bytes`; an exception of it is answered as a problem. Returns when stdin ends."""
    out = os.dup(1)
    os.dup2(2, 1)
    _write(out, ready)
    stdin = sys.stdin.buffer
    while line := stdin.readline():
        request = msgspec.json.decode(line)
        data = stdin.read(request["bytes"])
        try:
            answer = respond(request, data)
        except MemoryError:
            answer = {"problem": "memory"}
        except Exception:  # noqa: BLE001 - reported; another request may fare better
            traceback.print_exc()
            answer = {"problem": "fault"}
        _write(out, answer)


def _write(out: int, answer: dict[str, Any]) -> None:
    line = memoryview(msgspec.json.encode(answer) + b"\n")
    while line:
        line = line[os.write(out, line) :]
