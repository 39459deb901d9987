"""The client's end of a link, sans-IO: opens calls, and checks what comes for them.

In: calls of the owner, bytes of the server (state.py). Out: bytes, and the messages for each open
call. Messages for a call that was given up are dropped.
"""

import hmac

from msgspec import Raw

from deployments.clients.link import frames
from deployments.clients.link.errors import (
    HandshakeRefused,
    LinkClosed,
    MessageTooLarge,
    ProtocolFault,
)
from deployments.clients.link.options import JOIN, LinkOptions
from deployments.clients.link.state import LinkState, proof


class ClientState(LinkState):
    """`methods` are those of the server. `going_away`: it takes no new calls."""

    def __init__(
        self, link: str, secret: bytes, nonce: bytes, options: LinkOptions, now: float
    ) -> None:
        """`nonce` is fresh; the Hello is the first output."""
        super().__init__(options, now)
        self.methods: frozenset[str] = frozenset()
        self.going_away = False
        self._expected = proof(secret, b"server", nonce)
        self._credits: dict[int, int] = {}  # of each open call: items that may still come
        self._last = 0
        self._max_calls = 0
        self._handlers |= {
            frames.Welcome: self._on_welcome,
            frames.Accept: self._on_answer,
            frames.Item: self._on_item,
            frames.Items: self._on_items,
            frames.End: self._on_end,
            frames.CallFailed: self._on_end,
            frames.GoAway: self._on_go_away,
        }
        hello = proof(secret, b"client", nonce)
        features = tuple(sorted(options.features))
        self._send(frames.Hello(link, nonce, hello, features, options.max_payload))

    @property
    def open_calls(self) -> int:
        return len(self._credits)

    @property
    def takes_calls(self) -> bool:
        return (
            self.ready
            and self.failure is None
            and not self.going_away
            and len(self._credits) < self._max_calls
        )

    def open(self, method: str, timeout_s: float, credit: int, body: Raw) -> int:
        """The number of a new call. Raises LinkClosed, and MessageTooLarge for this call alone."""
        if not self.takes_calls or method not in self.methods:
            raise LinkClosed("the link takes no such call")
        number = self._last + 1
        encoded = frames.encode(frames.Open(number, method, timeout_s, credit, body))
        if not self._fits(encoded):
            raise MessageTooLarge(f"the request has {len(encoded)} bytes")
        self._last = number
        self._credits[number] = credit
        self._output.append(encoded)
        return number

    def grant(self, call: int, items: int) -> None:
        """The reader has taken so many; nothing for a call that is over."""
        if call in self._credits:
            self._credits[call] += items
            self._send(frames.Credit(call, items))

    def cancel(self, call: int) -> None:
        """The caller has left; nothing for a call that is over."""
        if self._credits.pop(call, None) is not None:
            self._send(frames.CancelCall(call))

    def _on_welcome(self, message: frames.Welcome) -> bool:
        if self.ready:
            raise ProtocolFault("a second Welcome")
        if not hmac.compare_digest(message.proof, self._expected):
            raise HandshakeRefused("the server does not have the secret of the link")
        self._agree(message.features, message.max_payload)
        self.methods = frozenset(message.methods)
        self._max_calls = min(message.max_calls, self.options.max_calls)
        return True

    def _on_answer(self, message: frames.Accept | frames.Item | frames.End) -> bool:
        """Whether the call is open. One that was given up may still be answered."""
        if not 0 < message.call <= self._last:
            raise ProtocolFault("an answer to no call")
        return message.call in self._credits

    def _on_item(self, message: frames.Item) -> bool:
        return self._on_answer(message) and self._spend(message.call, 1)

    def _on_items(self, message: frames.Items) -> bool:
        if JOIN not in self.features:
            raise ProtocolFault("joined items were not agreed on")
        return self._on_answer(message) and self._spend(message.call, len(message.bodies))  # type: ignore[arg-type]

    def _spend(self, call: int, items: int) -> bool:
        left = self._credits[call] - items
        if left < 0:
            raise ProtocolFault("more items than the call's credit")
        self._credits[call] = left
        return True

    def _on_end(self, message: frames.End) -> bool:
        is_open = self._on_answer(message)
        self._credits.pop(message.call, None)
        return is_open

    def _on_go_away(self, _: frames.GoAway) -> bool:
        self._require_ready()
        self.going_away = True
        return True
