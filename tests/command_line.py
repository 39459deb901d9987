"""Runs `mobula ...` in this process, as typer's own test runner does.

That one makes all commands anew for each call, which takes longer than most commands.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from typer.main import get_command
from typer.testing import CliRunner

from cluster.cli.app import app


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What a command printed, and how it ended."""

    exit_code: int
    stdout: str
    stderr: str
    output: str  # both streams, as a terminal shows them
    exception: BaseException | None


@cache
def _command() -> Any:
    return get_command(app)


def run_command(
    arguments: Sequence[str], input: str | None = None, env: Mapping[str, str] | None = None
) -> CommandResult:
    """Runs `mobula` with these arguments; an exception of the command is in the result."""
    exception: BaseException | None = None
    code: object = 0
    with CliRunner().isolation(input=input, env=env) as streams:
        try:
            code = _command().main(args=list(arguments), prog_name="root")
        except SystemExit as exit:
            code = exit.code
        except Exception as error:
            code, exception = 1, error
        sys.stdout.flush()
        sys.stderr.flush()
        printed = [stream.getvalue().decode(errors="replace") for stream in streams]
    exit_code = code if isinstance(code, int) else 0 if code is None else 1
    return CommandResult(exit_code, *printed, exception)
