"""What both ends of a link share: frames in and out, the handshake's proofs, heartbeats.

In: bytes from the peer, the time. Out: bytes for the peer, messages for the owner, and the fault
that ended the link. Sans-IO: the owner moves the bytes (transport.py) and tells the time, in
monotonic seconds. No method raises for what a peer sends: `failure` is set, and the link is over.
"""

import hmac
from collections.abc import Callable
from typing import Any

from deployments.clients.link import frames
from deployments.clients.link.errors import LinkClosed, LinkError, PeerSilent, ProtocolFault
from deployments.clients.link.framing import HEADER, PayloadDecoder
from deployments.clients.link.options import HELLO_BYTES, LinkOptions

_MAX_REASON = 500

Handler = Callable[[Any], bool]


def proof(secret: bytes, side: bytes, nonce: bytes) -> bytes:
    """Shows that a side has the secret, which itself is never sent. HMAC (RFC 2104), SHA-256."""
    return hmac.digest(secret, side + nonce, "sha256")


class LinkState:
    """`failure` is why the link is over; `peer_max` bounds the payloads that may be sent.

    `_handlers` is by class of message; a handler returns whether the owner must act on it, and
    raises ProtocolFault.
    """

    def __init__(self, options: LinkOptions, now: float) -> None:
        self.options = options
        self.ready = False
        self.features: frozenset[str] = frozenset()
        self.failure: LinkError | None = None
        self.peer_max = HELLO_BYTES
        self.pong = 0  # number of the last ping that was answered
        self._handlers: dict[type, Handler] = {
            frames.Ping: self._on_ping,
            frames.Pong: self._on_pong,
            frames.Bye: self._on_bye,
        }
        self._decoder = PayloadDecoder(HELLO_BYTES)
        self._output: list[bytes] = []
        self._heard_at = self._ticked_at = now
        self._pings = 0

    def receive(self, data: bytes, now: float) -> list[frames.Message]:
        """The messages that the owner must act on, in order; those before a fault too."""
        self._heard_at = now
        messages: list[frames.Message] = []
        if self.failure is not None:
            return messages
        try:
            for payload in self._decoder.feed(data):
                message = frames.decode(payload)
                handler = self._handlers.get(type(message))
                if handler is None:
                    raise ProtocolFault(f"{type(message).__name__} from the wrong side")
                if handler(message):
                    messages.append(message)
                if self._over:
                    return messages
        except LinkError as error:
            self.fail(error)
        if self._decoder.fault is not None:
            self.fail(self._decoder.fault)
        return messages

    @property
    def has_output(self) -> bool:
        """Whether there is something to send."""
        return bool(self._output)

    def take_output(self) -> bytes:
        """What to send now; empty: nothing."""
        output, self._output = self._output, []
        return output[0] if len(output) == 1 else b"".join(output)

    def tick(self, now: float) -> None:
        """To be called every `ping_s`: asks a silent peer for a sign of life, or gives it up.

        A tick that comes late itself shows that this process did not run; the peer is given as much
        longer, because its bytes may not have been read.
        """
        late_s = now - self._ticked_at - 2 * self.options.ping_s
        self._ticked_at = now
        if late_s > 0:
            self._heard_at += late_s
        silent_s = now - self._heard_at
        if silent_s >= self.options.silence_s:
            self.fail(PeerSilent(f"nothing came from the peer for {silent_s:.1f} s"))
        elif self.ready and silent_s >= self.options.ping_s:
            self.ping()

    def ping(self) -> int:
        """Ask for a sign of life; `pong` will be this number or more."""
        self._pings += 1
        self._send(frames.Ping(self._pings))
        return self._pings

    def close(self, reason: str = "") -> None:
        """End the link from this side."""
        if self.failure is None:
            self._send(frames.Bye(reason[:_MAX_REASON]))
            self.failure = LinkClosed(reason or "this side has ended the link")

    def fail(self, error: LinkError) -> None:
        """The link is over because of `error`, which the peer is told."""
        if self.failure is None:
            self._send(frames.Bye(f"{type(error).__name__}: {error}"[:_MAX_REASON]))
            self.failure = error

    @property
    def _over(self) -> bool:
        return self.failure is not None

    def _agree(self, features: tuple[str, ...], peer_max: int) -> None:
        """The handshake is done."""
        self.features = self.options.features & set(features)
        self.peer_max = peer_max
        self._decoder.limit = self.options.max_payload
        self.ready = True

    def _send(self, message: frames.Message) -> None:
        """Nothing more is sent once the link is over."""
        if self.failure is None:
            self._output.append(frames.encode(message))

    def _fits(self, encoded: bytes) -> bool:
        return len(encoded) - HEADER.size <= self.peer_max

    def _require_ready(self) -> None:
        if not self.ready:
            raise ProtocolFault("a message before the handshake")

    def _on_ping(self, message: frames.Ping) -> bool:
        self._require_ready()
        self._send(frames.Pong(message.number))
        return False

    def _on_pong(self, message: frames.Pong) -> bool:
        self._require_ready()
        if not 0 < message.number <= self._pings:
            raise ProtocolFault("an answer to no ping")
        self.pong = max(self.pong, message.number)
        return False

    def _on_bye(self, message: frames.Bye) -> bool:
        self.failure = LinkClosed(message.reason or "the peer has ended the link")
        return False
