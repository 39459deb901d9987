"""Chunks that are text only have a short form, which is a Chunk to every version."""

import dataclasses
from typing import Any

import pytest
from msgspec import msgpack

from deployments.clients.link.frames import encode_body
from deployments.clients.link.methods import STREAM
from deployments.clients.link.text_pieces import is_text_piece, text_piece
from deployments.contracts.generation import Chunk, TokenLogprob, TokenUsage, ToolCallDelta


def carried(body: Any) -> Any:
    return msgpack.decode(encode_body(body))


def test_a_piece_is_the_chunk_with_its_text_and_tokens() -> None:
    chunk = Chunk(2, "Straße", tokens=3)

    assert STREAM.answer.decode(carried(text_piece(2, "Straße", 3))) == chunk


def test_what_comes_over_a_link_is_known_as_one() -> None:
    assert is_text_piece(carried(text_piece(0, "", 0)))


@pytest.mark.parametrize(
    "chunk",
    [
        Chunk(0, "x", "stop"),
        Chunk(0, "x", logprobs=(TokenLogprob("x", b"x", -1.0),)),
        Chunk(0, "x", usage=TokenUsage(1, 2)),
        Chunk(0, "x", prompt_tokens=2),
        Chunk(0, "x", model="other"),
        Chunk(0, "x", tool_calls=(ToolCallDelta(0),)),
        Chunk(0, "x", refusal="no"),
        Chunk(0, "x", reasoning="so"),
        Chunk(0, "x"),  # as replicas of other versions send it
    ],
    ids=lambda chunk: str(dataclasses.replace(chunk, text="")),
)
def test_no_whole_chunk_is_taken_for_one(chunk: Chunk) -> None:
    assert not is_text_piece(carried(STREAM.answer.encode(chunk)))


OTHERS: list[Any] = [
    None,
    "x",
    [],
    [0, "x", None, None, None],
    [0, "x", None, None, None, "1"],
    ["0", "x", None, None, None, 1],
    [0, b"x", None, None, None, 1],
    [0, "x", "stop", None, None, 1],
    [0, "x", None, [], None, 1],
    [0, "x", None, None, [1, 2], 1],
    [True, "x", None, None, None, 1],
]


@pytest.mark.parametrize("body", OTHERS)
def test_nothing_else_is_one(body: Any) -> None:
    assert not is_text_piece(carried(body))
