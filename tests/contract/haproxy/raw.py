"""HTTP byte by byte, for what no client library would send."""

import contextlib
import socket
import time


def exchange(
    port: int, request: bytes, *, source: str = "127.0.0.1", within_s: float = 20.0
) -> bytes:
    """All that is answered until the server closes; raises TimeoutError if it does not."""
    with socket.create_connection(
        ("127.0.0.1", port), within_s, source_address=(source, 0)
    ) as connection:
        connection.sendall(request)
        until, answer = time.monotonic() + within_s, b""
        while True:
            connection.settimeout(max(0.01, until - time.monotonic()))
            with contextlib.suppress(ConnectionResetError):
                part = connection.recv(1 << 16)
                if part:
                    answer += part
                    continue
            return answer


def get(path: str, *headers: bytes, version: str = "1.1") -> bytes:
    lines = [f"GET {path} HTTP/{version}".encode(), b"host: mobula.test", *headers]
    return b"\r\n".join([*lines, b"connection: close", b"", b""])
