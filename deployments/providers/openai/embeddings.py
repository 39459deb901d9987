"""Embeddings in OpenAI's wire format: `/embeddings`.

In: the texts or token ids of one call. Out: path and body; vectors and the number of tokens. An
answer with other vectors than were asked for, of unequal lengths or not finite, is refused.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import orjson

from deployments.contracts.embedding import Vectors
from deployments.providers.errors import reported_problem, unreadable
from deployments.providers.openai.answers import describe_error
from deployments.providers.wire import WireRequest

MAX_DIMENSIONS = 65_536


class EmbeddingPart(msgspec.Struct):
    embedding: list[float] | str
    index: int = 0


class EmbeddingsPart(msgspec.Struct):
    data: list[EmbeddingPart] | None = None
    usage: Any = None
    error: Any = None


_ANSWER: msgspec.json.Decoder[EmbeddingsPart] = msgspec.json.Decoder(EmbeddingsPart)


@dataclass(frozen=True, slots=True)
class DecodedVectors:
    """`tokens` None: the provider does not say."""

    vectors: Vectors
    tokens: int | None


def encode_embeddings(
    source: str, inputs: Sequence[Any], dimensions: int | None, input_type: str
) -> WireRequest:
    """`inputs` are texts, or lists of token ids."""
    body: dict[str, Any] = {"model": source, "input": list(inputs), "encoding_format": "float"}
    if dimensions is not None:
        body["dimensions"] = dimensions
    if input_type:
        body["input_type"] = input_type
    return WireRequest("/embeddings", orjson.dumps(body))


def decode_embeddings(model: str, count: int, body: bytes) -> DecodedVectors:
    """`count` texts were sent. Raises UpstreamFailed, and what an error in the body means."""
    try:
        answer = _ANSWER.decode(body)
        if answer.error:
            raise reported_problem(model, describe_error(answer.error))
        data = sorted(answer.data or (), key=lambda part: part.index)
        rows = [_row(part.embedding) for part in data]
    except (msgspec.MsgspecError, RecursionError, ValueError, OverflowError):
        raise unreadable(model, "answered what cannot be read") from None
    sizes = {row.size for row in rows}
    has_all = [part.index for part in data] == [*range(count)]
    if not has_all or len(sizes) != 1 or not 0 < rows[0].size <= MAX_DIMENSIONS:
        raise unreadable(model, "answered other vectors than were asked for")
    vectors = np.stack(rows)
    if not np.isfinite(vectors).all():
        raise unreadable(model, "answered vectors that are not finite")
    return DecodedVectors(vectors, _tokens(answer.usage))


def _row(embedding: list[float] | str) -> Vectors:
    if isinstance(embedding, str):
        try:
            raw = base64.b64decode(embedding, validate=True)
        except binascii.Error as error:
            raise ValueError from error
        return np.frombuffer(raw, dtype="<f4").astype(np.float32)
    with np.errstate(over="ignore"):
        return np.asarray(embedding, dtype=np.float64).astype(np.float32)


def _tokens(usage: Any) -> int | None:
    value = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
