"""What each process of a cluster is.

In: processes. Out: the same by a word: a deployment's name, or one of NAMED, `engine` for an
engine's own process, `other`.
"""

import contextlib
import re
from collections.abc import Iterable

import psutil

REPLICA = "ray::ServeReplica:mobula:"
_METHOD = re.compile(r"\.[a-z_]+$")  # what the replica is just doing
NAMED = {  # the beginning of a process's command line, or its name -> what we call it
    "ray::ServeController": "controller",
    "ray::HAProxyManager": "proxy manager",
    "ray::ProxyActor": "proxy",
    "haproxy": "haproxy",
    "gcs_server": "gcs",
    "raylet": "raylet",
    "redis-server": "redis",
}


def group_by_kind(processes: Iterable[psutil.Process]) -> dict[str, list[psutil.Process]]:
    """Those that are still there."""
    by_kind: dict[str, list[psutil.Process]] = {}
    for process in processes:
        with contextlib.suppress(psutil.Error):
            by_kind.setdefault(classify_process(process), []).append(process)
    return by_kind


def classify_process(process: psutil.Process) -> str:
    """Raises psutil.Error when it is gone."""
    command, name = " ".join(process.cmdline()), process.name()
    if command.startswith(REPLICA):
        return _METHOD.sub("", command.removeprefix(REPLICA).split()[0])
    if "openvino_worker" in command:
        return "engine"
    for start, kind in NAMED.items():
        if command.startswith(start) or name.startswith(start):
            return kind
    return "other"
