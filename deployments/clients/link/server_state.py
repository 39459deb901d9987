"""The server's end of a link, sans-IO: checks the handshake and the calls, and answers them.

In: bytes of the client (state.py), answers of the owner. Out: bytes; Open, CancelCall and Credit
messages for the owner.
"""

import hmac
from collections.abc import Callable, Collection

from msgspec import Raw

from deployments.clients.link import frames
from deployments.clients.link.errors import HandshakeRefused, MessageTooLarge, ProtocolFault
from deployments.clients.link.options import ACCEPT, JOIN, LinkOptions
from deployments.clients.link.state import LinkState, proof

_ENVELOPE = 64  # bytes of a message around its body, at most


class _OpenCall:
    __slots__ = ("answered", "credit")

    def __init__(self, credit: int) -> None:
        self.credit = credit
        self.answered = False


class ServerState(LinkState):
    """`link` is the client's link once its proof was accepted.

    What is answered to a call that is not open any more is dropped: the client has left.
    """

    def __init__(
        self,
        find_secret: Callable[[str], bytes | None],
        methods: Collection[str],
        options: LinkOptions,
        now: float,
    ) -> None:
        """`find_secret` gives the secret of a link, once."""
        super().__init__(options, now)
        self.link = ""
        self._find_secret = find_secret
        self._methods = tuple(sorted(methods))
        self._calls: dict[int, _OpenCall] = {}
        self._joined: dict[int, list[Raw]] = {}
        self._last = 0
        self._handlers |= {
            frames.Hello: self._on_hello,
            frames.Open: self._on_open,
            frames.Credit: self._on_credit,
            frames.CancelCall: self._on_cancel,
        }

    @property
    def open_calls(self) -> int:
        return len(self._calls)

    def credit(self, call: int) -> int:
        """How many items may be sent; 0 for a call that is over."""
        open_call = self._calls.get(call)
        return 0 if open_call is None else open_call.credit

    def accept(self, call: int) -> None:
        """The call runs; nothing where its answer has begun or was not agreed on."""
        open_call = self._calls.get(call)
        if open_call is not None and not open_call.answered and ACCEPT in self.features:
            open_call.answered = True
            self._send(frames.Accept(call))

    def item(self, call: int, body: Raw) -> None:
        """The next item of a stream, for which there is credit. Raises MessageTooLarge."""
        open_call = self._calls.get(call)
        if open_call is None:
            return
        self._check_size(body)
        if open_call.credit < 1:
            raise ValueError(f"call {call} has no credit")
        open_call.credit -= 1
        open_call.answered = True
        if JOIN in self.features:
            self._joined.setdefault(call, []).append(body)
        else:
            self._send(frames.Item(call, body))

    def end(self, call: int, body: Raw | None = None) -> None:
        """The call's result. Raises MessageTooLarge; the call is open then."""
        if body is not None:
            self._check_size(body)
        if self._close(call):
            self._send(frames.End(call, body))

    def answer_failure(self, call: int, problem: Raw) -> None:
        """The call's problem. Raises MessageTooLarge; the call is open then."""
        self._check_size(problem)
        if self._close(call):
            self._send(frames.CallFailed(call, problem))

    def go_away(self) -> None:
        """Take no new calls; those that were sent before the client knows are served."""
        if self.ready and self.failure is None:
            self._send(frames.GoAway())

    @property
    def has_output(self) -> bool:
        return bool(self._output or self._joined)

    def take_output(self) -> bytes:
        if self._joined:
            for call in tuple(self._joined):
                self._send_joined(call)
        return super().take_output()

    def _send_joined(self, call: int) -> None:
        bodies = self._joined.pop(call, None)
        if bodies is None:
            return
        if len(bodies) > 1 and sum(map(len, bodies)) + _ENVELOPE <= self.peer_max:
            self._send(frames.Items(call, bodies))
        else:
            for body in bodies:
                self._send(frames.Item(call, body))

    def _close(self, call: int) -> bool:
        """Whether the call was open."""
        self._send_joined(call)
        return self._calls.pop(call, None) is not None

    def _check_size(self, body: Raw) -> None:
        if len(body) + _ENVELOPE > self.peer_max:
            raise MessageTooLarge(f"the answer has {len(body)} bytes")

    def _on_hello(self, message: frames.Hello) -> bool:
        if self.ready:
            raise ProtocolFault("a second Hello")
        secret = self._find_secret(message.link)
        expected = proof(secret or b"", b"client", message.nonce)
        if secret is None or not hmac.compare_digest(message.proof, expected):
            raise HandshakeRefused("this link is not expected")
        self.link = message.link
        self._agree(message.features, message.max_payload)
        self._send(
            frames.Welcome(
                proof(secret, b"server", message.nonce),
                tuple(sorted(self.options.features)),
                self.options.max_payload,
                self.options.max_calls,
                self._methods,
            )
        )
        return True

    def _on_open(self, message: frames.Open) -> bool:
        self._require_ready()
        if message.call <= self._last:
            raise ProtocolFault("the number of a call was used before")
        if message.method not in self._methods:
            raise ProtocolFault("a method that was not offered")
        if len(self._calls) >= self.options.max_calls:
            raise ProtocolFault("more open calls than agreed on")
        self._last = message.call
        self._calls[message.call] = _OpenCall(message.credit)
        return True

    def _on_credit(self, message: frames.Credit) -> bool:
        open_call = self._known(message.call)
        if open_call is None:
            return False
        open_call.credit += message.items
        if open_call.credit > frames.MAX_CREDIT:
            raise ProtocolFault("more credit than a call may have")
        return True

    def _on_cancel(self, message: frames.CancelCall) -> bool:
        if self._known(message.call) is None:
            return False
        self._joined.pop(message.call, None)
        del self._calls[message.call]
        return True

    def _known(self, call: int) -> _OpenCall | None:
        """The open call; None if it is over."""
        self._require_ready()
        if call > self._last:
            raise ProtocolFault("a message for no call")
        return self._calls.get(call)
