"""Runs commands of other packages with unparsed arguments."""

import importlib
import subprocess
import sys
from collections.abc import Sequence

from cluster.cli.output import fail
from cluster.cli.requirements import MissingRequirement
from cluster.runtime.installation import working_folder
from cluster.runtime.settings import process_environment


def module(name: str, arguments: Sequence[str]) -> int:
    """`python -m name ...`, in the folder of state and configuration."""
    command = [sys.executable, "-m", name, *arguments]
    folder, env = working_folder(), process_environment()
    return subprocess.run(command, cwd=folder, env=env, check=False).returncode


def main_of(name: str, arguments: Sequence[str]) -> int:
    """`main(arguments)` of a module, in this process; 2 where the machine lacks what it needs."""
    try:
        loaded = importlib.import_module(name)
    except ModuleNotFoundError as error:
        return fail(f"{name} cannot be loaded: {error}")
    try:
        return int(loaded.main(list(arguments)) or 0)
    except MissingRequirement as missing:
        fail(str(missing))
        return 2
