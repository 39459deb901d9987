"""Completes Serve's configuration of HAProxy, then executes HAProxy.

In: HAProxy's arguments from Serve, and `MOBULA_*` of the environment. The arguments are passed on
after `-dS`: with splicing, HAProxy often does not detect a client's disconnect while the response
is computed. Standard library only: this runs at each reload.
"""

import ipaddress
import os
import re
import resource
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from cluster.ops.certificate import BadCertificate, install
from cluster.ops.haproxy_configuration import (
    HAProxyOptions,
    UnknownConfiguration,
    admin_socket,
    complete,
)
from cluster.ops.haproxy_log import open_log
from cluster.ops.haproxy_token import proxy_token

CERTIFICATE = "certificate.pem"
PORT_WAIT_S = 10.0  # for the previous HAProxy to close its ports
_BIND = re.compile(r"^\s*bind \S*:(\d+)", re.MULTILINE)


def main(arguments: Sequence[str]) -> None:
    environment = os.environ
    binary = environment["MOBULA_HAPROXY"]
    try:
        for path in configurations(arguments):
            options = read_options(environment, path.parent)
            text = complete(path.read_text(), options)
            write_private(path, text)
            if "-c" in arguments:
                continue
            if "-sf" not in arguments:
                wait_until_free(ports(text))
            if options.certificate is not None:
                _watch(environment, admin_socket(text), options.certificate)
    except (UnknownConfiguration, BadCertificate, ValueError) as error:
        raise SystemExit(f"HAProxy is not started: {error}") from None
    open_log(None if "-c" in arguments else environment.get("MOBULA_HOME"))
    os.execv(binary, [binary, "-dS", *arguments])


def configurations(arguments: Sequence[str]) -> list[Path]:
    """The configuration files in the arguments (`-f`)."""
    pairs = zip(arguments, arguments[1:], strict=False)
    return [Path(value) for option, value in pairs if option == "-f"]


def read_options(environment: Mapping[str, str], folder: Path) -> HAProxyOptions:
    """Reads the options. Writes the certificate to `folder`. Raises ValueError, BadCertificate."""
    proxies = _split_list(environment.get("MOBULA_TRUSTED_PROXIES", ""))
    return HAProxyOptions(
        repeatable=tuple(environment.get("MOBULA_REPEATABLE", "").split()),
        trusted_proxies=tuple(str(ipaddress.ip_network(each)) for each in proxies),
        metrics_host=environment.get("MOBULA_METRICS_HOST") or "127.0.0.1",
        connections_per_source=int(environment.get("MOBULA_CONNECTIONS_PER_SOURCE") or 1024),
        header_timeout_s=int(environment.get("MOBULA_HEADER_TIMEOUT_S") or 10),
        certificate=_certificate(environment, folder),
        token=proxy_token(environment),
        descriptors=_descriptors(),
    )


def ports(text: str) -> list[int]:
    """The ports that the configuration binds."""
    return [int(port) for port in _BIND.findall(text)]


def wait_until_free(required_ports: Sequence[int], limit_s: float = PORT_WAIT_S) -> None:
    """Waits for a previous HAProxy, whose actor Serve has replaced, to close its ports: without
    them the new one would exit at once, and Serve with it."""
    deadline = time.monotonic() + limit_s
    while not all(map(_is_free, required_ports)) and time.monotonic() < deadline:
        time.sleep(0.05)


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True


def _split_list(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _tls_files(environment: Mapping[str, str]) -> tuple[Path, Path] | None:
    chain = environment.get("MOBULA_TLS_CERT_FILE")
    key = environment.get("MOBULA_TLS_KEY_FILE")
    return (Path(chain), Path(key)) if chain and key else None


def _certificate(environment: Mapping[str, str], folder: Path) -> Path | None:
    files = _tls_files(environment)
    if files is None:
        return None
    install(*files, folder / CERTIFICATE)
    return folder / CERTIFICATE


def _descriptors() -> int | None:
    """The hard limit, to which HAProxy raises its soft limit; None: unlimited."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return None if hard == resource.RLIM_INFINITY else hard


def _watch(environment: Mapping[str, str], admin: Path, target: Path) -> None:
    """Forks a child that watches the certificate; this process becomes HAProxy, its parent."""
    files = _tls_files(environment)
    if files is None:
        return
    haproxy_pid = str(os.getpid())
    if os.fork() == 0:
        os.setsid()
        module = [sys.executable, "-S", "-m", "cluster.ops.certificate"]
        os.execv(sys.executable, [*module, *map(str, (*files, target, admin)), haproxy_pid])


def write_private(path: Path, text: str) -> None:
    """Writes in place (Serve finds its HAProxy by this path), owner-only as it holds a secret."""
    path.chmod(0o600)
    path.write_text(text)


if __name__ == "__main__":
    main(sys.argv[1:])
