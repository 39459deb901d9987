"""Untrusted recordings are only ever opened in here: confined child processes, private folders.

`run` runs a program, `python_child` a Python module; both block until the child is gone.
"""

from deployments.clipper.failures import Cancelled
from deployments.clipper.sandbox.folders import clear_abandoned, link_input, private_folder
from deployments.clipper.sandbox.limits import (
    Cancel,
    ChildLimits,
    CompletedChild,
    OnLine,
    SandboxedCommand,
)
from deployments.clipper.sandbox.python_child import python_child
from deployments.clipper.sandbox.running import run

__all__ = [
    "Cancel",
    "ChildLimits",
    "CompletedChild",
    "Cancelled",
    "OnLine",
    "SandboxedCommand",
    "clear_abandoned",
    "link_input",
    "private_folder",
    "python_child",
    "run",
]
