"""Serve's own listeners on loopback, and the lines of Ray on which that depends."""

import importlib
import re
from dataclasses import dataclass, field
from importlib.metadata import distribution, version
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from cluster.ops.environment import ONE_MACHINE, WORKER_HOOK
from cluster.ops.worker_hook import after_import, loopback_grpc, loopback_http


@dataclass
class Server:
    """Remembers where it was told to listen."""

    asked: list[str] = field(default_factory=list)

    def add_port(self, _server: Any, address: str) -> int:
        self.asked.append(address)
        return 5


class Options(BaseModel):
    host: str
    port: int


@pytest.mark.parametrize("address", ["[::]:0", "0.0.0.0:0", ":0"])
def test_a_grpc_server_for_every_interface_is_bound_to_loopback(address: str) -> None:
    server = Server()

    assert loopback_grpc(server.add_port)(server, address) == 5
    assert server.asked == ["127.0.0.1:0"]


def test_a_grpc_server_of_one_address_keeps_it() -> None:
    server = Server()

    loopback_grpc(server.add_port)(server, "10.0.0.7:9000")

    assert server.asked == ["10.0.0.7:9000"]


@pytest.mark.parametrize(
    ("port", "host"),
    [pytest.param(8000, "0.0.0.0", id="the API's"), pytest.param(30_250, "127.0.0.1", id="others")],
)
def test_only_the_apis_port_listens_where_the_operator_asked(port: int, host: str) -> None:
    asked: list[Options] = []
    start = loopback_http(lambda _app, options, **_more: asked.append(options), api_port=8000)

    start(None, Options(host="0.0.0.0", port=port), event_loop=None)

    assert [(each.host, each.port) for each in asked] == [(host, port)]


def test_a_replacement_goes_by_the_name_of_what_it_replaces() -> None:
    """Serve's controller sends classes that use it to other processes, by name."""

    def start_asgi_http_server() -> None: ...

    replaced = loopback_http(start_asgi_http_server, api_port=1)

    assert replaced.__qualname__ == start_asgi_http_server.__qualname__
    assert replaced.__module__ == __name__


def test_a_module_is_changed_when_it_is_imported_and_not_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "imported_late.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    changed: list[Any] = []

    after_import("imported_late", changed.append)
    assert changed == []
    module = importlib.import_module("imported_late")
    after_import("imported_late", changed.append)

    assert changed == [module, module]
    assert module.value == 1


def source(name: str) -> str:
    return distribution("ray").locate_file(name).read_text()  # type: ignore[attr-defined]


def test_this_is_the_ray_whose_source_was_read() -> None:
    """Another Ray may open other ports: read the lines below in it, look at `ss -ltn` after `up`,
    and run tests/chaos/test_up_comes_back.py before the number here is changed."""
    assert version("ray") == "2.60.0"


SERVE = "ray/serve/_private"


@pytest.mark.parametrize(
    ("file", "line"),
    [
        (f"{SERVE}/replica.py", "from ray._common.tls_utils import add_port_to_grpc_server"),
        (f"{SERVE}/replica.py", 'add_port_to_grpc_server(self._server, "[::]:0")'),
        (f"{SERVE}/replica.py", "return await start_asgi_http_server("),
        (f"{SERVE}/proxy.py", "start_asgi_http_server("),
        (f"{SERVE}/http_util.py", "\nasync def start_asgi_http_server("),
        ("ray/_private/workers/default_worker.py", "WORKER_PROCESS_SETUP_HOOK_ENV_VAR"),
        ("ray/_private/ray_constants.py", f'"{WORKER_HOOK}"'),
        ("ray/_private/ray_constants.py", f'"{ONE_MACHINE}"'),
    ],
)
def test_ray_still_has_what_is_replaced(file: str, line: str) -> None:
    assert line in source(file)


def test_no_other_grpc_server_of_serves_replicas_is_opened() -> None:
    """The one of a gRPC ingress, which no configuration of ours has, and the replaced one."""
    opened = re.findall(r"add_port_to_grpc_server\(|add_insecure_port\(|add_grpc_address\(", source(
        "ray/serve/_private/replica.py"
    ))  # fmt: skip

    assert opened == ["add_port_to_grpc_server("]
