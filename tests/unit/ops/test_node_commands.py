"""How `ray start` is told what a node is."""

from pathlib import Path

from cluster.ops.nodes import Node
from cluster.runtime.settings import Settings


def option(command: list[str], name: str) -> str:
    return command[command.index(name) + 1]


def node(**settings: object) -> Node:
    return Node.of(Settings.model_validate(settings), Path("/tmp/r"))


def test_ray_never_takes_redis_port_and_its_dashboard_is_ours_alone() -> None:
    command = node().head_command()

    assert option(command, "--port") != "6379"
    assert option(command, "--dashboard-host") == "127.0.0.1"


def test_a_node_joins_under_its_own_address_and_ports() -> None:
    joining = node(node_address="10.0.0.7", gcs_port=6500)
    command = joining.joining_command("10.0.0.5:6480")

    assert "--head" not in command
    assert option(command, "--address") == "10.0.0.5:6480"
    assert option(command, "--node-ip-address") == "10.0.0.7"
    assert option(command, "--metrics-export-port") == "6506"


def test_a_nodes_proxy_listens_on_the_nodes_own_port() -> None:
    env = node(http_port=8123).joining_environment()

    assert env == {"RAY_SERVE_WORKER_PROXY_HTTP_PORT": "8123"}


def test_a_head_can_be_kept_free_of_replicas() -> None:
    assert option(node(node_cpus=0).head_command(), "--num-cpus") == "0"
    assert "--num-cpus" not in node().head_command()
