"""Pieces of text leave as the events that the operation would have sent."""

from dataclasses import dataclass, field

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.ingress.http.streaming import sse_frame
from deployments.ingress.pipeline.response_relay import TEXT_MARK, ResponseRelay


@dataclass
class Writer:
    is_writable: bool = True
    parts: list[bytes] = field(default_factory=list)

    def write(self, part: bytes) -> None:
        self.parts.append(part)


def event(text: str, index: int = 0, model: str = "m") -> dict[str, object]:
    delta = {"index": index, "delta": {"content": text}, "finish_reason": None}
    return {"id": "1", "model": model, "usage": None, "choices": [delta]}


def open_relay(model: str = "m") -> tuple[ResponseRelay, Writer]:
    relay, writer = ResponseRelay(), Writer()
    relay.add_form(0, event(TEXT_MARK, model=model))
    relay.is_allowed, relay.writer = True, writer
    return relay, writer


HOSTILE = ["m", TEXT_MARK, f'"{TEXT_MARK}"', "\\", orjson.dumps(TEXT_MARK).decode()]


@given(st.text(), st.sampled_from(HOSTILE))
def test_a_piece_is_the_operations_event_whatever_clients_wrote(text: str, model: str) -> None:
    relay, writer = open_relay(model)

    relay.take(0, text, 2)

    assert writer.parts == [sse_frame((None, event(text, model=model)))]
    assert (relay.tokens, relay.pieces) == (2, 1)


def test_it_takes_pieces_of_choices_that_have_a_form_only() -> None:
    relay, _ = open_relay()

    assert relay.takes(0)
    assert not relay.takes(1)
    relay.add_form(1, event(TEXT_MARK, 1))
    assert relay.takes(1)


@pytest.mark.parametrize("missing", ["the pipeline", "the response", "a client that reads"])
def test_it_takes_nothing_without(missing: str) -> None:
    relay, writer = open_relay()

    if missing == "the pipeline":
        relay.is_allowed = False
    elif missing == "the response":
        relay.writer = None
    else:
        writer.is_writable = False

    assert not relay.takes(0)
