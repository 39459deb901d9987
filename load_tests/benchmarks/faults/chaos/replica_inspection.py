"""What a replica holds, looked at from within its process; shipped there by `__ray_call__`.

In: Serve's replica actor. Out: counts of a plain dictionary. Reads Serve's private fields, so it
belongs to measuring and to nothing else.
"""

import asyncio
import gc
import os
from dataclasses import fields
from typing import Any


def inspect_replica(actor: Any) -> dict[str, Any]:
    """The process, its tasks and Python objects, and the engine's counts where there is one."""
    replica = actor._replica_impl
    wrapper = replica._user_callable_wrapper
    inspection: dict[str, Any] = {
        "pid": os.getpid(),
        "tasks": _tasks({replica._event_loop, wrapper._user_code_event_loop}),
        "objects": len(gc.get_objects()),
    }
    model = getattr(wrapper._callable, "_model", None)
    stats = getattr(getattr(model, "engine", None), "stats", None)
    if stats is not None:
        counts = stats()
        inspection["engine"] = {f.name: getattr(counts, f.name) for f in fields(counts)}
    return inspection


def _tasks(loops: set[asyncio.AbstractEventLoop | None]) -> int:
    """Ray runs this in a thread beside the loops."""
    return sum(len(asyncio.all_tasks(loop)) for loop in loops if loop is not None)
