"""The certificate that HAProxy serves: checked, put together, and replaced while it runs.

Flows in: the operator's two PEM files (chain, key). Flows out: one PEM file for HAProxy, and a new
certificate in the running HAProxy (its admin socket) whenever the files change: no connection is
lost. Files that do not fit, as in the middle of being replaced, change nothing. Nothing but the
standard library.
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
ANSWER_S = 5.0
LARGEST = 12 << 10  # HAProxy's admin socket takes commands of up to 16 KiB


Stamp = tuple[tuple[int, int, int], ...]


class BadCertificate(Exception):
    """Written for the operator."""


def read_certificate(chain: Path, key: Path) -> bytes:
    """Chain and key as one PEM text. Raises BadCertificate unless they belong together."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(chain, key, password=_no_password)
        pem = b"\n".join((chain.read_bytes().strip(), key.read_bytes().strip(), b""))
    except ssl.SSLError as error:
        reason = error.reason or error
        raise BadCertificate(f"{chain} and {key} cannot be used: {reason}") from None
    except (OSError, ValueError) as error:
        raise BadCertificate(f"{chain} and {key} cannot be used: {error}") from None
    if len(pem) > LARGEST:
        raise BadCertificate(f"{chain} and {key} have {len(pem)} bytes; {LARGEST} are taken")
    return b"\n".join(line for line in pem.splitlines() if line.strip()) + b"\n"


def _no_password() -> str:
    raise ValueError("the key is encrypted; HAProxy cannot ask for its password")


def install(chain: Path, key: Path, target: Path) -> None:
    """Write what HAProxy reads. Where the files do not fit, an earlier `target` stays."""
    try:
        _write(target, read_certificate(chain, key))
    except BadCertificate as error:
        if not target.exists():
            raise
        print(f"the certificate stays as it was: {error}", file=sys.stderr)  # noqa: T201


def _write(target: Path, pem: bytes) -> None:
    part = target.with_name(f"{target.name}.{os.getpid()}")
    with open(part, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(pem)
    part.replace(target)


class Watcher:
    """Brings changed files into the HAProxy that has `pid` and listens at `admin`."""

    def __init__(self, chain: Path, key: Path, target: Path, admin: Path, pid: int) -> None:
        self._chain = chain
        self._key = key
        self._target = target
        self._admin = admin
        self._pid = pid
        self._seen: Stamp = ()  # so that a change since HAProxy's start is seen at first
        self._said = ""

    def run(self, wait: Callable[[float], None] = time.sleep) -> None:
        """Until HAProxy has ended: it is this process's parent."""
        while os.getppid() == self._pid:
            self.look()
            wait(WATCH_S)

    def look(self) -> bool:
        """Whether a new certificate was put in place."""
        stamp = self._stamp()
        if stamp == self._seen:
            return False
        try:
            pem = read_certificate(self._chain, self._key)
            if pem != self._target.read_bytes():
                replace_certificate(self._admin, self._target, pem)
                _write(self._target, pem)
        except (BadCertificate, OSError) as error:
            self._say(f"the certificate stays as it was: {error}")
            return False
        self._seen = stamp
        return True

    def _say(self, text: str) -> None:
        """Once, however often it is tried."""
        if text != self._said:
            self._said = text
            print(text, file=sys.stderr, flush=True)  # noqa: T201

    def _stamp(self) -> Stamp:
        """Changes with either file; a name that leads elsewhere counts, as Kubernetes does it."""
        found = []
        for path in (self._chain, self._key):
            with contextlib.suppress(OSError):
                status = path.stat()
                found.append((status.st_ino, status.st_mtime_ns, status.st_size))
        return tuple(found)


def main(arguments: Sequence[str]) -> None:
    """Chain, key, target, admin socket, and the process id of HAProxy."""
    chain, key, target, admin = map(Path, arguments[:4])
    Watcher(chain, key, target, admin, int(arguments[4])).run()


def replace_certificate(admin: Path, target: Path, pem: bytes) -> None:
    """Through HAProxy's admin socket. Raises BadCertificate if HAProxy refuses it, or OSError."""
    set_, commit = f"set ssl cert {target}", f"commit ssl cert {target}"
    answer = _ask(admin, set_.encode() + b" <<\n" + pem + b"\n")
    if b"transaction" not in answer.lower():
        raise BadCertificate(f"HAProxy does not take it: {answer.decode(errors='replace').strip()}")
    answer = _ask(admin, commit.encode() + b"\n")
    if b"success" not in answer.lower():
        _ask(admin, f"abort ssl cert {target}\n".encode())
        raise BadCertificate(f"HAProxy does not take it: {answer.decode(errors='replace').strip()}")


def _ask(admin: Path, command: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(ANSWER_S)
        connection.connect(str(admin))
        connection.sendall(command)
        answer = b""
        while part := connection.recv(1 << 16):
            answer += part
        return answer


if __name__ == "__main__":
    main(sys.argv[1:])
