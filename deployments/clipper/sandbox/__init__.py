"""Untrusted recordings are only ever opened in here: confined child processes, private folders.

`run` runs a program, `python_child` a Python module; both block until the child is gone.
"""

from deployments.clipper.failures import Interrupted
from deployments.clipper.sandbox.folders import clear_abandoned, linked, private_folder
from deployments.clipper.sandbox.limits import (
    Cancel,
    ChildLimits,
    Finished,
    OnLine,
    Sandboxed,
)
from deployments.clipper.sandbox.python_child import python_child
from deployments.clipper.sandbox.running import run

__all__ = [
    "Cancel",
    "ChildLimits",
    "Finished",
    "Interrupted",
    "OnLine",
    "Sandboxed",
    "clear_abandoned",
    "linked",
    "private_folder",
    "python_child",
    "run",
]
