"""Both ends of a link without I/O: any split of the bytes, any order of calls, any cut."""

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from deployments.clients.link import frames
from deployments.clients.link.client_state import ClientState
from deployments.clients.link.errors import (
    FramingFault,
    HandshakeRefused,
    LinkClosed,
    LinkError,
    LinkFault,
    MessageTooLarge,
    PeerSilent,
    ProtocolFault,
)
from deployments.clients.link.frames import encode, encode_body
from deployments.clients.link.options import ACCEPT, FEATURES, JOIN, LinkOptions
from deployments.clients.link.server_state import ServerState

SECRET, NONCE, LINK = b"s" * 32, b"n" * 16, "link"
OPTIONS = LinkOptions(max_payload=4096, max_calls=8)
METHODS = ("generate", "stream")


def client(options: LinkOptions = OPTIONS, secret: bytes = SECRET) -> ClientState:
    return ClientState(LINK, secret, NONCE, options, 0.0)


def server(options: LinkOptions = OPTIONS) -> ServerState:
    return ServerState({LINK: SECRET}.get, METHODS, options, 0.0)


def linked(
    ours: LinkOptions = OPTIONS, theirs: LinkOptions = OPTIONS
) -> tuple[ClientState, ServerState]:
    """Both ends after the handshake."""
    near, far = client(ours), server(theirs)
    far.receive(near.take_output(), 0.0)
    near.receive(far.take_output(), 0.0)
    assert near.ready
    assert far.ready
    return near, far


@pytest.mark.parametrize("ours", [FEATURES, frozenset({ACCEPT}), frozenset()])
@pytest.mark.parametrize("theirs", [FEATURES, frozenset({JOIN}), frozenset({"of tomorrow"})])
def test_both_ends_agree_on_the_features_that_both_have(
    ours: frozenset[str], theirs: frozenset[str]
) -> None:
    near, far = linked(LinkOptions(features=ours), LinkOptions(features=theirs))
    assert near.features == far.features == ours & theirs


def test_a_client_without_the_secret_is_refused_and_told_nothing() -> None:
    near, far = client(secret=b"x" * 32), server()
    far.receive(near.take_output(), 0.0)
    assert isinstance(far.failure, HandshakeRefused)
    near.receive(far.take_output(), 0.0)
    assert isinstance(near.failure, LinkClosed)
    assert not near.ready


def test_a_server_without_the_secret_is_refused() -> None:
    near, far = client(), ServerState(lambda _: b"x" * 32, METHODS, OPTIONS, 0.0)
    hello = near.take_output()
    far.receive(hello, 0.0)
    forged = frames.Welcome(b"f" * 32, (), 4096, 8, METHODS)
    near.receive(encode(forged), 0.0)
    assert isinstance(near.failure, HandshakeRefused)


@pytest.mark.parametrize(
    "message",
    [
        frames.Open(1, "generate", 1.0, 0, None),
        frames.CancelCall(1),
        frames.Credit(1, 1),
        frames.Ping(1),
        frames.Welcome(b"f" * 32, (), 4096, 8, METHODS),
        frames.End(1),
    ],
)
def test_nothing_but_hello_comes_before_the_handshake(message: frames.Message) -> None:
    far = server()
    assert far.receive(encode(message), 0.0) == []
    assert isinstance(far.failure, LinkFault)


def test_a_frame_before_the_handshake_is_short() -> None:
    far = ServerState({LINK: SECRET}.get, METHODS, LinkOptions(), 0.0)
    far.receive(encode(frames.Item(1, b"x" * 5000)), 0.0)
    assert isinstance(far.failure, FramingFault)


@pytest.mark.parametrize(
    "message",
    [
        frames.Open(1, "generate", 1.0, 0, None),  # its number was used
        frames.Open(2, "settle", 1.0, 0, None),  # not offered
        frames.Open(2, "generate", float("nan"), 0, None),
        frames.Credit(1, frames.MAX_CREDIT),
        frames.Credit(2, 1),
        frames.CancelCall(2),
        frames.Hello(LINK, NONCE, b"p" * 32, (), 4096),
        frames.Accept(1),
        frames.Pong(1),
    ],
)
def test_a_server_ends_the_link_of_a_client_that_breaks_the_protocol(
    message: frames.Message,
) -> None:
    near, far = linked()
    near.open("stream", 1.0, 2, encode_body(None))
    far.receive(near.take_output(), 0.0)
    far.receive(encode(message), 0.0)
    assert isinstance(far.failure, LinkFault)
    near.receive(far.take_output(), 0.0)
    assert isinstance(near.failure, LinkClosed)


@pytest.mark.parametrize(
    "message",
    [
        frames.Item(2, None),
        frames.End(2),
        frames.Items(1, [1, 2, 3]),  # beyond the credit
        frames.Welcome(b"f" * 32, (), 4096, 8, METHODS),
        frames.Open(1, "generate", 1.0, 0, None),
        frames.Pong(1),
    ],
)
def test_a_client_ends_the_link_of_a_server_that_breaks_the_protocol(
    message: frames.Message,
) -> None:
    near, _ = linked()
    near.open("stream", 1.0, 2, encode_body(None))
    near.take_output()
    near.receive(encode(message), 0.0)
    assert isinstance(near.failure, ProtocolFault)


def test_no_more_calls_are_open_than_agreed_on() -> None:
    near, far = linked(LinkOptions(max_calls=8), LinkOptions(max_calls=2))
    near.open("generate", 1.0, 0, encode_body(None))
    second = near.open("generate", 1.0, 0, encode_body(None))
    with pytest.raises(LinkClosed):
        near.open("generate", 1.0, 0, encode_body(None))
    far.receive(near.take_output(), 0.0)
    far.end(second)
    near.receive(far.take_output(), 0.0)
    assert near.takes_calls
    hostile = [frames.Open(number, "generate", 1.0, 0, None) for number in (3, 4)]
    far.receive(b"".join(map(encode, hostile)), 0.0)
    assert isinstance(far.failure, ProtocolFault)


def test_a_request_or_an_answer_over_the_peer_s_limit_fails_alone() -> None:
    near, far = linked(LinkOptions(max_payload=2048), LinkOptions(max_payload=1024))
    with pytest.raises(MessageTooLarge):
        near.open("generate", 1.0, 0, encode_body("x" * 1024))
    number = near.open("stream", 1.0, 5, encode_body("x" * 900))
    far.receive(near.take_output(), 0.0)
    with pytest.raises(MessageTooLarge):
        far.item(number, encode_body("x" * 2048))
    with pytest.raises(MessageTooLarge):
        far.end(number, encode_body("x" * 2048))
    for _ in range(3):
        far.item(number, encode_body("x" * 1500))
    far.end(number)
    messages = near.receive(far.take_output(), 0.0)
    assert near.failure is far.failure is None
    assert [type(message) for message in messages] == [frames.Item] * 3 + [frames.End]


def test_a_server_that_goes_away_serves_what_is_open() -> None:
    near, far = linked()
    number = near.open("generate", 1.0, 0, encode_body(None))
    far.receive(near.take_output(), 0.0)
    far.go_away()
    near.receive(far.take_output(), 0.0)
    assert not near.takes_calls
    far.end(number, encode_body("done"))
    assert near.receive(far.take_output(), 0.0) == [frames.End(number, "done")]
    assert near.failure is None


def test_a_silent_peer_is_asked_and_then_given_up() -> None:
    near, far = linked()
    near.tick(1.0)
    far.receive(near.take_output(), 1.0)
    near.receive(far.take_output(), 1.0)
    assert near.pong == 1
    for second in range(2, 11):
        near.tick(float(second))
        assert near.failure is None
    near.tick(11.0)
    assert isinstance(near.failure, PeerSilent)


def test_a_process_that_did_not_run_itself_does_not_blame_its_peer() -> None:
    near, _ = linked()
    near.tick(1.0)
    near.tick(60.0)
    assert near.failure is None


class Link(RuleBasedStateMachine):
    """Two ends, bytes on their way in both directions, and what each call must bring."""

    @initialize(
        ours=st.sets(st.sampled_from(sorted(FEATURES))),
        theirs=st.sets(st.sampled_from(sorted(FEATURES))),
    )
    def connect(self, ours: set[str], theirs: set[str]) -> None:
        self.near = client(LinkOptions(features=frozenset(ours), max_payload=4096, max_calls=4))
        self.far = server(LinkOptions(features=frozenset(theirs), max_payload=4096, max_calls=4))
        self.up = self.down = b""
        self.now = 0.0
        self.sent: dict[int, list[int]] = defaultdict(list)  # items by call
        self.came: dict[int, list[int]] = defaultdict(list)
        self.running: set[int] = set()  # at the server
        self.ended: dict[int, Any] = {}
        self.awaited: set[int] = set()  # at the client

    @precondition(lambda self: self.near.takes_calls)
    @rule(credit=st.integers(1, 3))
    def open(self, credit: int) -> None:
        self.awaited.add(self.near.open("stream", 1.0, credit, encode_body("ask")))

    @precondition(lambda self: self.awaited)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.awaited)))
        self.awaited.discard(number)
        self.near.cancel(number)

    @precondition(lambda self: self.awaited)
    @rule(data=st.data(), items=st.integers(1, 3))
    def grant(self, data: st.DataObject, items: int) -> None:
        self.near.grant(data.draw(st.sampled_from(sorted(self.awaited))), items)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), number=st.integers())
    def item(self, data: st.DataObject, number: int) -> None:
        call = data.draw(st.sampled_from(sorted(self.running)))
        if self.far.credit(call):
            number %= 1 << 32
            self.far.item(call, encode_body(number))
            self.sent[call].append(number)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), failed=st.booleans())
    def end(self, data: st.DataObject, failed: bool) -> None:
        call = data.draw(st.sampled_from(sorted(self.running)))
        self.running.discard(call)
        if failed:
            self.far.answer_failure(call, encode_body("problem"))
        else:
            self.far.accept(call)
            self.far.end(call)

    @rule(share=st.floats(0, 1))
    def carry_up(self, share: float) -> None:
        self.up += self.near.take_output()
        cut = round(share * len(self.up))
        for message in self.far.receive(self.up[:cut], self.now):
            if isinstance(message, frames.Open):
                self.running.add(message.call)
            elif isinstance(message, frames.CancelCall):
                self.running.discard(message.call)
        self.up = self.up[cut:]

    @rule(share=st.floats(0, 1))
    def carry_down(self, share: float) -> None:
        self.down += self.far.take_output()
        cut = round(share * len(self.down))
        for message in self.near.receive(self.down[:cut], self.now):
            self.take(message)
        self.down = self.down[cut:]

    @rule()
    def tick(self) -> None:
        self.now += 0.4
        self.near.tick(self.now)
        self.far.tick(self.now)
        self.carry_up(1.0)
        self.carry_down(1.0)

    def take(self, message: frames.Message) -> None:
        if isinstance(message, frames.Item):
            self.came[message.call].append(message.body)
        elif isinstance(message, frames.Items):
            self.came[message.call] += message.bodies
        elif isinstance(message, frames.End | frames.CallFailed):
            assert message.call in self.awaited
            self.awaited.discard(message.call)
            assert self.came[message.call] == self.sent[message.call]

    @invariant()
    def nobody_is_at_fault(self) -> None:
        assert self.near.failure is None
        assert self.far.failure is None

    @invariant()
    def items_come_in_order_and_once(self) -> None:
        for call, came in self.came.items():
            assert came == self.sent[call][: len(came)]

    def teardown(self) -> None:
        """Once every call has ended, neither side holds one."""
        if not hasattr(self, "near"):
            return
        for _ in range(2):
            self.carry_up(1.0)
            self.carry_down(1.0)
        for call in sorted(self.running):
            self.far.end(call)
        self.carry_down(1.0)
        assert self.near.open_calls == self.far.open_calls == 0
        assert not self.awaited


TestLink = Link.TestCase
TestLink.settings = settings(stateful_step_count=40, deadline=None)


@given(st.binary(max_size=400), st.booleans(), st.integers(0, 200))
def test_any_bytes_end_a_link_with_a_typed_error_or_not_at_all(
    data: bytes, of_client: bool, kept: int
) -> None:
    """Also in the middle of a good stream."""
    near, far = linked()
    for _ in range(3):
        near.open("stream", 1.0, 2, encode_body("ask"))
    end = near if of_client else far
    good = far.take_output() if of_client else near.take_output()
    end.receive(good[:kept] + data, 0.0)
    assert end.failure is None or isinstance(end.failure, LinkError)
    if end.failure is not None:
        assert end.receive(encode(frames.GoAway()), 0.0) == []
        end.take_output()
        end.tick(100.0)
        assert end.take_output() == b""


MESSAGES = st.one_of(
    st.builds(  # the longest
        frames.Open,
        st.integers(1, 6),
        st.sampled_from(METHODS),
        st.floats(0, 9),
        st.integers(0, 3),
        st.none(),
    ),
    st.builds(frames.Credit, st.integers(1, 6), st.integers(1, 3)),
    st.builds(frames.CancelCall, st.integers(1, 6)),
    st.builds(frames.Accept, st.integers(1, 6)),
    st.builds(frames.Item, st.integers(1, 6), st.integers(0, 9)),
    st.builds(frames.Items, st.integers(1, 6), st.lists(st.integers(0, 9), min_size=1)),
    st.builds(frames.End, st.integers(1, 6), st.none()),
    st.builds(frames.CallFailed, st.integers(1, 6), st.none()),
    st.builds(frames.Ping, st.integers(0, 9)),
    st.builds(frames.Pong, st.integers(0, 9)),
    st.just(frames.GoAway()),
    st.builds(frames.Bye, st.text(max_size=9)),
)


@given(st.lists(MESSAGES, max_size=12), st.booleans())
def test_any_order_of_messages_leaves_no_call_that_nobody_knows(
    messages: list[frames.Message], of_client: bool
) -> None:
    near, far = linked()
    opened = [near.open("stream", 1.0, 3, encode_body("ask")) for _ in range(3)]
    far.receive(near.take_output(), 0.0)
    end: ClientState | ServerState = near if of_client else far
    for message in messages:
        end.receive(encode(message), 0.0)
    assert end.failure is None or isinstance(end.failure, LinkError)
    if of_client:
        for number in opened:
            near.cancel(number)
    else:
        for number in range(1, 7):
            far.end(number)
    assert end.open_calls == 0
