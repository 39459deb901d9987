"""The sandbox: confined child processes, the only ones that open untrusted recordings.

`run` runs a program, `python_child` a Python module; both block until the child has ended.
"""

from deployments.sandbox.errors import Cancelled
from deployments.sandbox.folders import clear_abandoned, link_input, private_folder
from deployments.sandbox.limits import (
    Cancel,
    ChildLimits,
    CompletedChild,
    OnLine,
    SandboxedCommand,
)
from deployments.sandbox.python_child import python_child
from deployments.sandbox.runner import run

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
