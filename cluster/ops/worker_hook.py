"""Keeps the listeners of Serve on loopback where the whole cluster lives on one machine.

Ray itself does so under RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0, two parts of Serve do not: the gRPC
server through which replicas call each other is bound to `[::]`, and the HTTP ports of replicas and
of the fallback proxy are bound to the host of the API. Flows in: nothing; Ray calls `keep_loopback`
in each worker process before it loads an actor, because cluster/ops/environment.py names it in
Ray's environment. tests/unit/ops/test_worker_hook.py pins the lines of Ray that this depends on.
"""

import functools
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

LOOPBACK = (
    "127.0.0.1"  # not from cluster/runtime/settings.py: every worker process imports this module
)
ANY_HOST = frozenset({"[::]", "0.0.0.0", ""})
API_PORT = "MOBULA_API_PORT"  # the one port that may be open to others, in the environment
HTTP_MODULE = "ray.serve._private.http_util"  # costs a second to import; not every worker needs it


def keep_loopback() -> None:
    """Replace Ray's two functions in this process. Raises where Ray has one no longer: the worker
    ends with that error in its log, instead of listening on every interface."""
    from ray._common import tls_utils

    tls_utils.add_port_to_grpc_server = loopback_grpc(tls_utils.add_port_to_grpc_server)
    after_import(HTTP_MODULE, _replace_http)


def loopback_grpc(add_port: Callable[[Any, str], int]) -> Callable[[Any, str], int]:
    """Opens a gRPC port as `add_port` does, on loopback instead of every interface."""

    @functools.wraps(add_port)  # under its own name it can be pickled
    def add_loopback_port(server: Any, address: str) -> int:
        host, _, port = address.rpartition(":")
        return add_port(server, f"{LOOPBACK}:{port}" if host in ANY_HOST else address)

    return add_loopback_port


def loopback_http(start: Callable[..., Any], api_port: int) -> Callable[..., Any]:
    """Starts an HTTP server as `start` does, on loopback unless its port is the API's."""

    @functools.wraps(start)
    def start_on_loopback(app: Any, http_options: Any, **more: Any) -> Any:
        if http_options.port != api_port:
            http_options = http_options.model_copy(update={"host": LOOPBACK})
        return start(app, http_options, **more)

    return start_on_loopback


def _replace_http(module: Any) -> None:
    module.start_asgi_http_server = loopback_http(
        module.start_asgi_http_server, int(os.environ[API_PORT])
    )


def after_import(name: str, change: Callable[[ModuleType], None]) -> None:
    """Call `change` with the module `name` once it is imported; at once where it is."""
    if name in sys.modules:
        change(sys.modules[name])
    else:
        sys.meta_path.insert(0, _AfterImport(name, change))


class _AfterImport(MetaPathFinder):
    """Finds one module as all others would, and changes what its import has made."""

    def __init__(self, name: str, change: Callable[[ModuleType], None]) -> None:
        self._name, self._change = name, change

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _ChangingLoader(spec.loader, self._change)
        return spec


class _ChangingLoader(Loader):
    def __init__(self, loader: Loader, change: Callable[[ModuleType], None]) -> None:
        self._loader, self._change = loader, change

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        self._change(module)
