"""Chunks of a stream that are text and nothing else, in the short form of a link.

In: a choice's index, text and number of tokens. Out: the body of an item, a Chunk without the
fields that have their defaults at its end (values.py gives them back); and which bodies are so.
"""

from typing import Any, TypeGuard

Piece = tuple[int, str, None, None, None, int]  # fields of Chunk, in their order


def text_piece(index: int, text: str, tokens: int) -> Piece:
    return index, text, None, None, None, tokens


def is_text_piece(body: Any) -> TypeGuard[Piece]:
    """Whether a body is one. Other versions may send the same chunk with all of its fields."""
    return (
        type(body) is list
        and len(body) == 6
        and body[2] is body[3] is body[4] is None
        and type(body[0]) is int
        and type(body[1]) is str
        and type(body[5]) is int
    )
