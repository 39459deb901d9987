"""Which process of a cluster does what, so that its supervisor can say who has died.

Flows in: the cluster's processes. Flows out: the same by role. A role that a cluster needs may be
started again by Serve (`by_serve`), by its own command (`by_command`), or only with everything.
"""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import psutil

from cluster.ops.processes import cluster_processes

Role = Literal["gcs", "raylet", "controller", "haproxy", "proxy", "dashboard", "log_monitor"]

TITLES: Mapping[Role, str] = {
    "gcs": "Ray's control (GCS)",
    "raylet": "Ray's node process (raylet)",
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
    """How a process was started, so that it can be started in the same way."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: str

    @classmethod
    def of(cls, process: psutil.Process) -> "ProcessCommand":
        """Raises psutil.Error where it is gone."""
        return cls(process.cmdline(), process.environ(), process.cwd())


def role_of(name: str, arguments: Sequence[str]) -> Role | None:
    """By a process's name and command line; None where nobody supervises it."""
    if name in _PROGRAMS:
        return _PROGRAMS[name]
    title = " ".join(arguments[:1]).split(".")[0].strip()
    if title in _ACTORS:
        return _ACTORS[title]
    script = next((each for each in arguments[1:4] if each.endswith(".py")), "")
    return next((role for end, role in _SCRIPTS.items() if script.endswith(end)), None)


def needed_roles(profile: str) -> tuple[Role, ...]:
    """The roles without which a cluster of this profile does not work as a whole."""
    front: Role = "proxy" if profile == "plain" else "haproxy"
    return (*FATAL, "controller", front, *BY_COMMAND)


def by_role(cluster_id: str) -> dict[Role, list[psutil.Process]]:
    """The living processes of a cluster that have a role."""
    return sort_by_role(cluster_processes(cluster_id))


def sort_by_role(processes: Iterable[psutil.Process]) -> dict[Role, list[psutil.Process]]:
    found: dict[Role, list[psutil.Process]] = {}
    for process in processes:
        with contextlib.suppress(psutil.Error):
            role = role_of(process.name(), process.cmdline())
            if role is not None:
                found.setdefault(role, []).append(process)
    return found
