"""Which process of a cluster does what."""

import pytest

from cluster.ops.roles import needed_roles, role_of

PYTHON, RAY = "/v/bin/python", "/v/lib/ray"


@pytest.mark.parametrize(
    ("name", "arguments", "role"),
    [
        ("gcs_server", [f"{RAY}/core/src/ray/gcs/gcs_server", "--log_dir=l"], "gcs"),
        ("raylet", [f"{RAY}/core/src/ray/raylet/raylet"], "raylet"),
        ("haproxy", ["/v/bin/haproxy", "-dS", "-db"], "haproxy"),
        ("ray::ServeContr", ["ray::ServeController.listen_for_change" + " " * 90], "controller"),
        ("ray::ServeContr", ["ray::ServeController"], "controller"),
        ("ray::ProxyActor", ["ray::ProxyActor   "], "proxy"),
        ("python", [PYTHON, f"{RAY}/dashboard/dashboard.py", "--host=127.0.0.1"], "dashboard"),
        ("python", [PYTHON, "-u", f"{RAY}/_private/log_monitor.py"], "log_monitor"),
        ("python", [PYTHON, "/home/tenant/dashboard.py"], None),
        ("ray::ServeRepli", ["ray::ServeReplica:mobula:Ingress"], None),
        ("ray::HAProxyMan", ["ray::HAProxyManager"], None),
        ("sh", [], None),
    ],
)
def test_a_process_is_known_by_its_name_or_title(
    name: str, arguments: list[str], role: str | None
) -> None:
    assert role_of(name, arguments) == role


def test_each_profile_needs_its_own_proxy() -> None:
    assert "haproxy" in needed_roles("fast")
    assert "proxy" not in needed_roles("fast")
    assert "proxy" in needed_roles("plain")
