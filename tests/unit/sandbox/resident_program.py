"""The program of test_resident_children: does what it is asked."""

import os
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from deployments.sandbox.resident import answer_requests


def attempt(function: Callable[[], object]) -> str:
    try:
        function()
    except OSError:
        return "closed"
    return "open"


def respond(request: dict[str, Any], data: bytes) -> dict[str, Any]:
    match request["do"]:
        case "exit":
            os._exit(3)
        case "garbage":
            _write_everywhere(b"no json\n")
        case "list":
            _write_everywhere(b"[1]\n")
        case "sleep":
            time.sleep(600)
        case "raise":
            raise ValueError("as asked")
        case "print":
            print("chatter")  # noqa: T201 - as libraries do
        case "escape":
            return {
                "files": attempt(lambda: list(Path("/").iterdir())),
                "network": attempt(lambda: socket.socket().close()),
                "processes": attempt(lambda: os.fork() or os._exit(0)),
            }
    return {"sum": sum(data[:1000]), "pid": os.getpid()}


def _write_everywhere(line: bytes) -> None:
    """Also where answers go."""
    for fd in range(3, 10):
        with suppress(OSError):
            os.write(fd, line)


if __name__ == "__main__":
    answer_requests(respond, {"ready": sys.argv[1]})
