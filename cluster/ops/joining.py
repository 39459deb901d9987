"""Joins this machine as a node to a cluster whose head runs elsewhere.

In: a `JoinPlan`. Out: this node's state, as `down` and `status` use it, or `StartFailed` after
every started process was ended. The head decides what is deployed; Serve places replicas and a
proxy here.
"""

import os
import secrets
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cluster.ops import cluster_state as states
from cluster.ops.cluster_state import ClusterState
from cluster.ops.environment import Profile, environment, haproxy_folder
from cluster.ops.logs import tail
from cluster.ops.nodes import Node
from cluster.ops.ports import Ports, listens
from cluster.ops.processes import ClusterId
from cluster.ops.shutdown import sweep
from cluster.ops.start_plan import StartFailed, check_ports_free
from cluster.ops.tls import certificate_of, scheme, tls_error
from cluster.runtime.clock import Clock, SystemClock
from cluster.runtime.installation import working_folder
from cluster.runtime.settings import LOOPBACK, Settings
from cluster.secrets.key_files import PEPPER, store_url
from cluster.storage.database import SqliteNeedsSingleNode, is_sqlite
from cluster.storage.files import PRIVATE_UMASK

LOG = "ray-join.log"


@dataclass(frozen=True, slots=True)
class JoinPlan:
    """`head` is the address and port of the head's GCS."""

    settings: Settings
    head: str
    profile: Profile = "fast"
    timeout_s: float = 60.0


def check(plan: JoinPlan) -> None:
    """Checks the preconditions. Raises StartFailed."""
    settings = plan.settings
    host, _, port = plan.head.rpartition(":")
    if not host or not port.isdigit():
        raise StartFailed(f"'{plan.head}' is not the head's address, such as 10.0.0.5:6480")
    error = tls_error(settings, plan.profile)
    if error is not None:
        raise StartFailed(error)
    if is_sqlite(store_url(settings.home, settings)):
        raise StartFailed(str(SqliteNeedsSingleNode()))
    if settings.pepper is None and not (settings.home / PEPPER).exists():
        raise StartFailed("set MOBULA_PEPPER to the head's, or copy its file `pepper` here")
    if not (settings.home / "ray.token").exists():
        raise StartFailed(f"copy the head's ray.token to {settings.home}: Ray requires it")
    if settings.node_address == LOOPBACK and host not in (LOOPBACK, "localhost"):
        raise StartFailed("set MOBULA_NODE_ADDRESS, at which the head reaches this node")
    check_ports_free(Ports.of(settings))
    if not listens(plan.head, timeout_s=5.0):
        raise StartFailed(f"nothing answers at {plan.head}")


def join(plan: JoinPlan, clock: Clock | None = None) -> ClusterState:
    """Joins the cluster; returns once the head has accepted this node."""
    state = _new_state(plan, clock or SystemClock())
    states.save(plan.settings.home, state)
    try:
        _start_ray(plan, state)
    except BaseException:
        sweep(plan.settings.home, state, grace_s=0.5)
        raise
    states.save(plan.settings.home, state.ready())
    return state.ready()


def _new_state(plan: JoinPlan, clock: Clock) -> ClusterState:
    settings = plan.settings
    return ClusterState(
        id=secrets.token_hex(8),
        phase="starting",
        detached=True,
        owner=ClusterId.this(),
        url=f"{scheme(settings)}://{settings.host}:{settings.http_port}",
        dashboard="",
        gcs=plan.head,
        ray_dir=str(states.ray_dir(settings.home)),
        haproxy_dir=str(haproxy_folder()),
        profile=plan.profile,
        started=clock.wall(),
        joined_as=settings.node_address,
        certificate=certificate_of(settings),
    )


def _start_ray(plan: JoinPlan, state: ClusterState) -> None:
    folder = Path(state.ray_dir)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    node = Node.of(plan.settings, folder)
    log = folder / LOG
    with log.open("wb") as file:
        process = subprocess.Popen(
            node.joining_command(plan.head), cwd=working_folder(),
            env=node_environment(plan.settings, state),
            stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
            umask=PRIVATE_UMASK,  # for the folder of HAProxy's admin socket, which Serve creates
        )  # fmt: skip
    try:
        code = process.wait(plan.timeout_s)
    except subprocess.TimeoutExpired:
        raise StartFailed(f"the head did not answer within {plan.timeout_s:g} s") from None
    if code != 0:
        raise StartFailed(f"`ray start` ended with status {code}\n{tail(log, 15)}")


def node_environment(settings: Settings, state: ClusterState) -> dict[str, str]:
    """The environment of every process of this node."""
    node = Node.of(settings, Path(state.ray_dir))
    profile: Profile = "plain" if state.profile == "plain" else "fast"
    cores = os.cpu_count() or 1
    haproxy = Path(state.haproxy_dir)
    variables = environment(
        profile, node.ports, state.id, settings.home, haproxy, cores,
        one_machine=False,
    )  # fmt: skip
    return variables | node.joining_environment()
