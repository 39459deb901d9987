"""What a command needs from this machine, and the error where it is missing.

In: a program's name. Out: its path, or one line that says how to get it, and exit code 2.
"""

import shutil
from collections.abc import Callable
from pathlib import Path


class MissingRequirement(Exception):
    """A program, service or package that this command needs is missing; says how to get it."""


def require_program(
    name: str, how: str, find: Callable[[str], str | Path | None] = shutil.which
) -> Path:
    """The path of a program; raises MissingRequirement with `how` to get it."""
    path = find(name)
    if path is None:
        raise MissingRequirement(f"this needs {name}: {how}")
    return Path(path)
