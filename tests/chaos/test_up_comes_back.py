"""`up -d` on one machine: what it opens to others, and what comes back when a process is killed.

One cluster for the file, in this order; the API is opened on every interface on purpose. The last
test ends it while it is started again.
"""

import contextlib
import socket
from collections.abc import Iterator

import grpc
import pytest

from cluster.ops.ports import Listener, listeners, own_addresses
from cluster.ops.processes import cluster_processes
from cluster.ops.roles import Role, by_role
from load_tests.benchmarks.common.mobula_command import wait_for
from load_tests.benchmarks.faults.recovery.process_kills import (
    is_ready,
    kill,
    kill_and_recover,
    load_supervision,
)
from tests.chaos.tiny_app import Mobula

# `./mobula bench recovery` holds a quiet machine to 3 and 10 s; here others are at work, too.
NOTICED_S, PARTS_S = 15.0, 40.0
METHODS = (
    "/ray.rpc.syncer.RaySyncer/StartSync",  # of GCS and raylet; it ended both without a token
    "/ray.rpc.NodeInfoGcsService/GetAllNodeInfo",
    "/ray.rpc.InternalKVGcsService/InternalKVGet",
    "/ray.rpc.JobInfoGcsService/GetAllJobInfo",
    "/ray.rpc.NodeManagerService/GetNodeStats",
    "/ray.rpc.CoreWorkerService/KillActor",
    "/ray.rpc.ReporterService/GetTraceback",
    "/ray.rpc.ObjectManagerService/Pull",
    "/ray.serve.ASGIService/HandleRequestWithRejection",
    "/grpc.health.v1.Health/Check",
)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mobula]:
    folder = tmp_path_factory.mktemp("up")
    with Mobula.create_temporary(folder, MOBULA_HOST="0.0.0.0") as found:
        code, output = found.run("up", "-d", "--config", str(found.config()))
        assert code == 0, output
        yield found


def found_listeners(cluster: Mobula) -> list[Listener]:
    return listeners(cluster_processes(cluster.state().id))


def test_nothing_but_the_api_listens_for_others(cluster: Mobula) -> None:
    found = found_listeners(cluster)

    assert {each.port for each in found if each.is_open} == {cluster.ports.http}
    assert len(found) > 10  # and the others are there


def test_a_second_up_is_refused(cluster: Mobula) -> None:
    code, output = cluster.run("up", "-d", "--config", str(cluster.config()))

    assert code == 1
    assert "already running at" in output
    assert cluster.run("status")[0] == 0


def test_calls_without_a_token_end_no_process(cluster: Mobula) -> None:
    before = {
        process.pid for processes in by_role(cluster.state().id).values() for process in processes
    }
    address = next(iter(own_addresses()), None)
    if address is None:
        pytest.skip("this machine has no address but loopback")

    for port in {each.port for each in found_listeners(cluster)}:
        with socket.socket() as probe:
            if probe.connect_ex((address, port)) != 0:
                continue  # unreachable
        with grpc.insecure_channel(f"{address}:{port}") as channel:
            for method in METHODS:
                call = channel.unary_unary(method, lambda body: body, lambda body: body)
                with contextlib.suppress(grpc.RpcError):
                    call(b"", timeout=2.0)

    after = {
        process.pid for processes in by_role(cluster.state().id).values() for process in processes
    }
    assert before <= after
    assert is_ready(cluster)
    assert load_supervision(cluster).phase == "watching"


@pytest.mark.parametrize(
    "role",
    [
        "haproxy",
        pytest.param("controller", marks=pytest.mark.exhaustive),
        pytest.param("proxy", marks=pytest.mark.exhaustive),
        pytest.param("dashboard", marks=pytest.mark.exhaustive),
        pytest.param("log_monitor", marks=pytest.mark.exhaustive),
    ],
)
def test_a_killed_part_is_back_while_the_rest_goes_on(cluster: Mobula, role: Role) -> None:
    id_before = cluster.state().id

    if role == "proxy":  # the fallback's: nobody waits for it
        kill(cluster, role)
    else:
        assert kill_and_recover(cluster, role).back_s < PARTS_S

    wait_for(lambda: role in by_role(id_before), f"{role} to be there", PARTS_S)
    assert is_ready(cluster)
    assert cluster.state().id == id_before


@pytest.mark.parametrize("role", ["gcs", pytest.param("raylet", marks=pytest.mark.exhaustive)])
def test_a_cluster_without_ray_is_started_again_with_what_was_deployed(
    cluster: Mobula, role: Role
) -> None:
    """Not with the file as it was edited since."""
    old = cluster.state().id
    cluster.config().write_text("applications: [")

    recovery = kill_and_recover(cluster, role)

    assert recovery.noticed_s < NOTICED_S
    assert cluster.state().id != old
    assert cluster_processes(old) == []
    code, output = cluster.run("status")
    assert code == 0
    assert "supervisor watching; restarted the cluster" in output
    assert {each.port for each in found_listeners(cluster) if each.is_open} == {cluster.ports.http}


def test_down_ends_a_cluster_that_is_being_started_again(cluster: Mobula) -> None:
    state, watching = cluster.state(), load_supervision(cluster)
    kill(cluster, "gcs")
    wait_for(lambda: load_supervision(cluster).phase == "restarting", "a new start", NOTICED_S)
    assert "restarting the cluster, attempt" in cluster.run("status")[1]

    code, output = cluster.run("down")

    assert (code, output.splitlines()[-1]) == (0, "ended; nothing is left running"), output
    assert not watching.is_alive()
    assert cluster.run("status") == (1, "not running\n")
    assert cluster.run("down") == (0, "nothing is running\n")
    cluster.assert_nothing_left(state)
