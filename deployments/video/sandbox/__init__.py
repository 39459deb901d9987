"""The sandbox: confined child processes, the only ones that open untrusted recordings.

`run` runs a program, `python_child` a Python module; both block until the child has ended.
"""

from deployments.video.errors import Cancelled
from deployments.video.sandbox.folders import clear_abandoned, link_input, private_folder
from deployments.video.sandbox.limits import (
    Cancel,
    ChildLimits,
    CompletedChild,
    OnLine,
    SandboxedCommand,
)
from deployments.video.sandbox.python_child import python_child
from deployments.video.sandbox.runner import run

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
