"""Roles of a cluster's processes, for its supervisor.

In: the cluster's processes. Out: the processes by role. A missing role is restarted by Serve
(BY_SERVE), by its own command (BY_COMMAND), or only with the whole cluster (FATAL).
"""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import psutil

from cluster.ops.processes import cluster_processes

Role = Literal["gcs", "raylet", "controller", "haproxy", "proxy", "dashboard", "log_monitor"]

TITLES: Mapping[Role, str] = {
    "gcs": "Ray's GCS",
    "raylet": "Ray's raylet",
    "controller": "Serve's controller",
    "haproxy": "HAProxy",
    "proxy": "Serve's proxy",
    "dashboard": "Ray's dashboard",
    "log_monitor": "Ray's log monitor",
}
FATAL: tuple[Role, ...] = ("gcs", "raylet")
BY_SERVE: tuple[Role, ...] = ("controller", "haproxy", "proxy")
BY_COMMAND: tuple[Role, ...] = ("dashboard", "log_monitor")

_PROGRAMS: Mapping[str, Role] = {"gcs_server": "gcs", "raylet": "raylet", "haproxy": "haproxy"}
_ACTORS: Mapping[str, Role] = {"ray::ServeController": "controller", "ray::ProxyActor": "proxy"}
_SCRIPTS: Mapping[str, Role] = {
    "/ray/dashboard/dashboard.py": "dashboard",
    "/ray/_private/log_monitor.py": "log_monitor",
}


@dataclass(frozen=True, slots=True)
class ProcessCommand:
    """A process's command, with which it can be restarted."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: str

    @classmethod
    def of(cls, process: psutil.Process) -> "ProcessCommand":
        """Raises psutil.Error if the process has ended."""
        return cls(process.cmdline(), process.environ(), process.cwd())


def role_of(name: str, arguments: Sequence[str]) -> Role | None:
    """The role by process name and command line; None if it is not supervised."""
    if name in _PROGRAMS:
        return _PROGRAMS[name]
    title = " ".join(arguments[:1]).split(".")[0].strip()
    if title in _ACTORS:
        return _ACTORS[title]
    script = next((each for each in arguments[1:4] if each.endswith(".py")), "")
    return next((role for end, role in _SCRIPTS.items() if script.endswith(end)), None)


def needed_roles(profile: str) -> tuple[Role, ...]:
    """The roles that a cluster of this profile needs."""
    front: Role = "proxy" if profile == "plain" else "haproxy"
    return (*FATAL, "controller", front, *BY_COMMAND)


def by_role(cluster_id: str) -> dict[Role, list[psutil.Process]]:
    """The live processes of a cluster by role."""
    return sort_by_role(cluster_processes(cluster_id))


def sort_by_role(processes: Iterable[psutil.Process]) -> dict[Role, list[psutil.Process]]:
    roles: dict[Role, list[psutil.Process]] = {}
    for process in processes:
        with contextlib.suppress(psutil.Error):
            role = role_of(process.name(), process.cmdline())
            if role is not None:
                roles.setdefault(role, []).append(process)
    return roles
