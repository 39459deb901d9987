"""What takes long to make and is the same for all tests of a run: made by the first process that
needs it, and copied by the others (tests/forked_workers.py)."""

import atexit
import fcntl
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path


@cache
def run_folder() -> Path:
    """Shared by the process that calls this first and those that it forks later; removed when it
    ends."""
    folder = Path(tempfile.mkdtemp(prefix="m-run-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # forked workers leave without it
    return folder


def made_once(name: str, make: Callable[[Path], object]) -> Path:
    """The file or folder that `make` has made at the path it was given."""
    made = run_folder() / name
    with made.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            unfinished = made.with_suffix(".new")
            make(unfinished)
            unfinished.rename(made)
    return made
