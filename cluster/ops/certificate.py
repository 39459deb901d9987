"""HAProxy's TLS certificate: validated, combined into one file, and reloaded when it changes.

In: the operator's two PEM files (chain, key). Out: one PEM file for HAProxy, and updates of the
running HAProxy through its admin socket when the files change, without a lost connection. A chain
and key that do not match (as in the middle of a replacement) change nothing. Standard library only.
"""

import contextlib
import os
import socket
import ssl
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

WATCH_S = 1.0
SOCKET_TIMEOUT_S = 5.0
MAX_PEM_BYTES = 12 << 10  # HAProxy's admin socket takes commands of up to 16 KiB


Stamp = tuple[tuple[int, int, int], ...]


class BadCertificate(Exception):
    """The certificate cannot be used; the message is for the operator."""


def read_certificate(chain: Path, key: Path) -> bytes:
    """Chain and key as one PEM text. Raises BadCertificate if they do not match."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(chain, key, password=_no_password)
        pem = b"\n".join((chain.read_bytes().strip(), key.read_bytes().strip(), b""))
    except ssl.SSLError as error:
        reason = error.reason or error
        raise BadCertificate(f"{chain} and {key} cannot be used: {reason}") from None
    except (OSError, ValueError) as error:
        raise BadCertificate(f"{chain} and {key} cannot be used: {error}") from None
    if len(pem) > MAX_PEM_BYTES:
        raise BadCertificate(
            f"{chain} and {key} have {len(pem)} bytes; the limit is {MAX_PEM_BYTES}"
        )
    return b"\n".join(line for line in pem.splitlines() if line.strip()) + b"\n"


def _no_password() -> str:
    raise ValueError("the key is encrypted; HAProxy cannot ask for its password")


def install(chain: Path, key: Path, target: Path) -> None:
    """Writes HAProxy's PEM file; keeps an existing `target` if the files cannot be used."""
    try:
        _write(target, read_certificate(chain, key))
    except BadCertificate as error:
        if not target.exists():
            raise
        print(f"the certificate was not changed: {error}", file=sys.stderr)  # noqa: T201


def _write(target: Path, pem: bytes) -> None:
    part = target.with_name(f"{target.name}.{os.getpid()}")
    with open(part, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(pem)
    part.replace(target)


class Watcher:
    """Loads changed files into the HAProxy of process `pid` with the admin socket `admin`."""

    def __init__(self, chain: Path, key: Path, target: Path, admin: Path, pid: int) -> None:
        self._chain = chain
        self._key = key
        self._target = target
        self._admin = admin
        self._pid = pid
        self._loaded_stamp: Stamp = ()  # so that the first poll finds a change since the start
        self._last_message = ""

    def run(self, wait: Callable[[float], None] = time.sleep) -> None:
        """Polls until HAProxy, the parent process, has ended."""
        while os.getppid() == self._pid:
            self.poll()
            wait(WATCH_S)

    def poll(self) -> bool:
        """Loads a changed certificate; returns whether there was one."""
        stamp = self._stamp()
        if stamp == self._loaded_stamp:
            return False
        try:
            pem = read_certificate(self._chain, self._key)
            if pem != self._target.read_bytes():
                replace_certificate(self._admin, self._target, pem)
                _write(self._target, pem)
        except (BadCertificate, OSError) as error:
            self._print_once(f"the certificate was not changed: {error}")
            return False
        self._loaded_stamp = stamp
        return True

    def _print_once(self, text: str) -> None:
        """Prints a message unless it equals the last one."""
        if text != self._last_message:
            self._last_message = text
            print(text, file=sys.stderr, flush=True)  # noqa: T201

    def _stamp(self) -> Stamp:
        """Identity of both files; changes with their content or symlink target (Kubernetes)."""
        stamps = []
        for path in (self._chain, self._key):
            with contextlib.suppress(OSError):
                status = path.stat()
                stamps.append((status.st_ino, status.st_mtime_ns, status.st_size))
        return tuple(stamps)


def main(arguments: Sequence[str]) -> None:
    """Arguments: chain, key, target, admin socket, HAProxy's process id."""
    chain, key, target, admin = map(Path, arguments[:4])
    Watcher(chain, key, target, admin, int(arguments[4])).run()


def replace_certificate(admin: Path, target: Path, pem: bytes) -> None:
    """Replaces it through the admin socket. Raises BadCertificate if HAProxy refuses, OSError."""
    set_, commit = f"set ssl cert {target}", f"commit ssl cert {target}"
    response = _send_command(admin, set_.encode() + b" <<\n" + pem + b"\n")
    if b"transaction" not in response.lower():
        raise BadCertificate(f"HAProxy refused it: {response.decode(errors='replace').strip()}")
    response = _send_command(admin, commit.encode() + b"\n")
    if b"success" not in response.lower():
        _send_command(admin, f"abort ssl cert {target}\n".encode())
        raise BadCertificate(f"HAProxy refused it: {response.decode(errors='replace').strip()}")


def _send_command(admin: Path, command: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(SOCKET_TIMEOUT_S)
        connection.connect(str(admin))
        connection.sendall(command)
        response = b""
        while part := connection.recv(1 << 16):
            response += part
        return response


if __name__ == "__main__":
    main(sys.argv[1:])
