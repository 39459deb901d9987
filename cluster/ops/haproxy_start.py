"""Completes the configuration that Serve wrote, then becomes HAProxy.

Flows in: HAProxy's own arguments, as Serve gives them, and `MOBULA_*` of the environment. They
pass through unchanged, with `-dS` before them: with splicing, HAProxy often does not look at a
client's connection while the answer is computed, and nobody learns that the client has left.
Nothing but the standard library: this runs at each reload.
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
from cluster.ops.haproxy_token import proxy_token

CERTIFICATE = "certificate.pem"
FREE_S = 10.0  # for an earlier HAProxy to close its ports
_BIND = re.compile(r"^\s*bind \S*:(\d+)", re.MULTILINE)


def main(arguments: Sequence[str]) -> None:
    environment = os.environ
    binary = environment["MOBULA_HAPROXY"]
    try:
        for path in configurations(arguments):
            options = options_of(environment, path.parent)
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
    os.execv(binary, [binary, "-dS", *arguments])


def configurations(arguments: Sequence[str]) -> list[Path]:
    """The files named by `-f`."""
    pairs = zip(arguments, arguments[1:], strict=False)
    return [Path(value) for option, value in pairs if option == "-f"]


def options_of(environment: Mapping[str, str], folder: Path) -> HAProxyOptions:
    """Raises ValueError or BadCertificate; `folder` keeps the certificate that HAProxy reads."""
    proxies = _words(environment.get("MOBULA_TRUSTED_PROXIES", ""))
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
    """Those that the configuration binds."""
    return [int(port) for port in _BIND.findall(text)]


def wait_until_free(wanted: Sequence[int], limit_s: float = FREE_S) -> None:
    """Where Serve has replaced the actor that ran HAProxy, the one before may still be ending: a
    new one that cannot bind its ports would end at once, and Serve with it."""
    until = time.monotonic() + limit_s
    while not all(map(_is_free, wanted)) and time.monotonic() < until:
        time.sleep(0.05)


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _files(environment: Mapping[str, str]) -> tuple[Path, Path] | None:
    chain = environment.get("MOBULA_TLS_CERT_FILE")
    key = environment.get("MOBULA_TLS_KEY_FILE")
    return (Path(chain), Path(key)) if chain and key else None


def _certificate(environment: Mapping[str, str], folder: Path) -> Path | None:
    files = _files(environment)
    if files is None:
        return None
    install(*files, folder / CERTIFICATE)
    return folder / CERTIFICATE


def _descriptors() -> int | None:
    """HAProxy raises its own limit as far as it may."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return None if hard == resource.RLIM_INFINITY else hard


def _watch(environment: Mapping[str, str], admin: Path, target: Path) -> None:
    """A child that looks after the certificate; this process becomes HAProxy, its parent."""
    files = _files(environment)
    if files is None:
        return
    own = str(os.getpid())
    if os.fork() == 0:
        os.setsid()
        module = [sys.executable, "-S", "-m", "cluster.ops.certificate"]
        os.execv(sys.executable, [*module, *map(str, (*files, target, admin)), own])


def write_private(path: Path, text: str) -> None:
    """In place: Serve finds its HAProxy by this path. The text holds a secret."""
    path.chmod(0o600)
    path.write_text(text)


if __name__ == "__main__":
    main(sys.argv[1:])
