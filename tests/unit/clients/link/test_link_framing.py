"""Frames survive any split of the bytes; what are no frames ends the stream with a typed error."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.clients.link.errors import FramingFault, LinkFault, UnsupportedVersion
from deployments.clients.link.frames import Accept, Item, Open, decode, encode
from deployments.clients.link.framing import HEADER, VERSION, PayloadDecoder, frame

LIMIT = 300
PAYLOADS = st.lists(st.binary(min_size=1, max_size=LIMIT), max_size=8)


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    """The pieces between the cuts, which are taken modulo the length."""
    at = sorted({cut % (len(data) + 1) for cut in cuts})
    return [data[a:b] for a, b in zip([0, *at], [*at, len(data)], strict=True)]


@given(PAYLOADS, st.lists(st.integers(min_value=0), max_size=20))
def test_payloads_are_the_same_however_the_bytes_are_split(
    payloads: list[bytes], cuts: list[int]
) -> None:
    decoder = PayloadDecoder(LIMIT)
    pieces = split(b"".join(map(frame, payloads)), cuts)
    assert [payload for piece in pieces for payload in decoder.feed(piece)] == payloads
    assert decoder.fault is None


@given(PAYLOADS, st.integers(min_value=0))
def test_a_stream_that_is_cut_gives_the_whole_frames_before_the_cut(
    payloads: list[bytes], cut: int
) -> None:
    data = b"".join(map(frame, payloads))
    cut %= len(data) + 1
    found = PayloadDecoder(LIMIT).feed(data[:cut])
    assert found == payloads[: len(found)]
    sizes = [len(payload) + HEADER.size for payload in payloads]
    assert sum(sizes[: len(found)]) <= cut
    assert len(found) == len(payloads) or sum(sizes[: len(found) + 1]) > cut


@given(st.binary(max_size=2000), st.lists(st.integers(min_value=0), max_size=10))
def test_any_bytes_give_payloads_or_one_fault_whatever_the_split(
    data: bytes, cuts: list[int]
) -> None:
    whole, pieces = PayloadDecoder(LIMIT), PayloadDecoder(LIMIT)
    expected = whole.feed(data)
    assert [p for piece in split(data, cuts) for p in pieces.feed(piece)] == expected
    assert type(whole.fault) is type(pieces.fault)
    if whole.fault is not None:
        assert isinstance(whole.fault, LinkFault)
        assert whole.feed(frame(b"later")) == []


@pytest.mark.parametrize("length", [0, LIMIT + 1, 2**32 - 1])
def test_a_length_over_the_limit_is_refused_before_its_bytes_come(length: int) -> None:
    decoder = PayloadDecoder(LIMIT)
    assert decoder.feed(frame(b"first") + HEADER.pack(length, VERSION)) == [b"first"]
    assert isinstance(decoder.fault, FramingFault)


def test_another_version_is_named() -> None:
    decoder = PayloadDecoder(LIMIT)
    assert decoder.feed(struct.pack(">IB", 1, VERSION + 1) + b"x") == []
    assert isinstance(decoder.fault, UnsupportedVersion)


def test_a_limit_that_is_raised_lets_longer_frames_pass() -> None:
    decoder = PayloadDecoder(10)
    decoder.limit = 100
    assert decoder.feed(frame(b"x" * 100)) == [b"x" * 100]


@given(st.binary(max_size=200))
def test_a_payload_is_a_message_or_a_fault(payload: bytes) -> None:
    with contextlib.suppress(FramingFault):
        decode(payload)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc0",
        b"\x91\xcd\xff\xff",  # of a kind that there is not
        b"\x92\x05\x00",  # Cancel of call 0
        b"\x93\x04\x01\x00",  # no credit
        b"\x93\x04\x01\xce\xff\xff\xff\xff",  # too much of it
        b"\x91" * 20_000 + b"\x01",  # deeper than any message
        b"\x96\x03\x01\xa1x\xcb\xff\xf0\x00\x00\x00\x00\x00\x00\x01\xc0",  # minus infinity
        encode(Open(1, "m", 1.0, 1, {"a": 1}))[HEADER.size : -1],
    ],
)
def test_hostile_payloads_are_faults(payload: bytes) -> None:
    with pytest.raises(FramingFault):
        decode(payload)


def test_messages_of_a_later_version_may_have_more_fields() -> None:
    assert decode(b"\x93\x06\x07\xa3new") == Accept(7)
    assert decode(encode(Item(3, ["x"]))[HEADER.size :]) == Item(3, ["x"])
