"""The bounds of one upstream's connections and answers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """`connections` are open at once; further requests wait. An unused one is closed after
    `keep_s`. `connect_s` bounds a connection's start, TLS included; `first_byte_s` the wait for an
    answer's head, `idle_s` each wait for more of it. `max_head_bytes` bounds header fields,
    `max_body_bytes` an answer in one piece, `max_stream_bytes` a stream.
    """

    connections: int = 256
    keep_s: float = 30.0
    connect_s: float = 3.0
    first_byte_s: float = 120.0
    idle_s: float = 60.0
    max_head_bytes: int = 64 << 10
    max_body_bytes: int = 32 << 20
    max_stream_bytes: int = 256 << 20


DEFAULT_LIMITS = HttpLimits()
