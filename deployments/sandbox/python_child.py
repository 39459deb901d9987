"""Python code in the sandbox: a request to a module in, its answer or its problem out, as JSON.

The module ends with `if __name__ == "__main__": run_child(function)` (child.py). Larger results are
files in the folder, named in the answer. Neither side unpickles anything.
"""

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from cluster.runtime.problems import Problem
from deployments.sandbox.binary import ROOT, python_binary
from deployments.sandbox.errors import (
    MediaDamaged,
    MediaTooLarge,
    SandboxFailed,
    from_wire,
)
from deployments.sandbox.exit_status import log_exit
from deployments.sandbox.limits import (
    Cancel,
    ChildLimits,
    CompletedChild,
    OnLine,
    SandboxedCommand,
)
from deployments.sandbox.runner import run

MAX_ANSWER = 16 << 20
_PACKAGES = ("cluster", "deployments")
_START = Path(__file__).with_name("start.py")
_DEFAULT = ChildLimits()


def python_child(
    module: str,
    request: Mapping[str, Any],
    folder: Path,
    *,
    limits: ChildLimits = _DEFAULT,
    threads: int = 1,
    cancel: Cancel | None = None,
    on_line: OnLine | None = None,
    environment: Mapping[str, str] | None = None,
    readable: tuple[Path, ...] = (),
    writable: tuple[Path, ...] = (),
) -> dict[str, Any]:
    """The answer of `module` to `request` (both plain JSON objects), run in `folder`.

    `threads` is for numeric libraries. Lines printed by the child go to `on_line`. Raises the
    child's own problem (one of errors.WIRE), and as `run` does.
    """
    fd, name = tempfile.mkstemp(prefix="answer-", suffix=".json", dir=folder)
    os.close(fd)
    answer = Path(name)
    plain = python_command(module, folder, (answer.name,), limits, threads, readable)
    command = replace(
        plain,
        stdin=msgspec.json.encode(request),
        cancel=cancel,
        on_line=on_line,
        environment={**plain.environment, **(environment or {})},
        writable=writable,
        allow_failure=True,
    )
    try:
        return _result(answer, run(command), command)
    finally:
        with suppress(OSError):
            answer.unlink()


def python_command(
    module: str,
    folder: Path,
    arguments: tuple[str, ...],
    limits: ChildLimits,
    threads: int,
    readable: tuple[Path, ...],
) -> SandboxedCommand:
    """`python -m module` with `arguments`, confined to `folder`, our packages and `readable`."""
    packages = [ROOT / top for top in dict.fromkeys((*_PACKAGES, module.split(".", 1)[0]))]
    start = (python_binary(), "-P", str(_START), module, *map(str, packages), "--")
    return SandboxedCommand(
        argv=(*start, *arguments),
        folder=folder,
        limits=limits,
        environment=_environment(threads),
        readable=(*packages, *readable),
    )


def _environment(threads: int) -> dict[str, str]:
    counts = ("OMP", "OPENBLAS", "MKL", "NUMBA")
    return {
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        **{f"{name}_NUM_THREADS": str(max(1, threads)) for name in counts},
    }


def _result(answer: Path, finished: CompletedChild, command: SandboxedCommand) -> dict[str, Any]:
    answer_or_problem = _read_answer(answer)
    if finished.status == 0 and isinstance(answer_or_problem.get("answer"), dict):
        return answer_or_problem["answer"]
    raise log_exit(_problem(answer_or_problem, command.limits), command, finished)


def _read_answer(answer: Path) -> dict[str, Any]:
    """A malicious child can write anything under that name."""
    try:
        fd = os.open(answer, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(fd, "rb") as file:
            text = file.read(MAX_ANSWER + 1)
        data = msgspec.json.decode(text) if len(text) <= MAX_ANSWER else None
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _problem(data: dict[str, Any], limits: ChildLimits) -> Problem:
    problem = data.get("problem")
    if not isinstance(problem, dict):
        return SandboxFailed()
    match problem.get("kind"):
        case "memory":
            return MediaTooLarge("memory_bytes", limits.memory_bytes or 0)
        case "output":
            return MediaTooLarge("output_bytes", limits.output_bytes)
        case "damaged":
            return MediaDamaged()
        case _:
            return from_wire(problem)
