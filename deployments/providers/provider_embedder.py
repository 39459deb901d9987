"""An embedding model that a provider serves: implements `ServedEmbedder`.

In: an EmbedRequest. Out: the vectors of an upstream, in several calls where there are more texts
than one may hold. Another upstream is tried where one fails.
"""

import itertools
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from cluster.resilience.spec import ResilienceSpec
from cluster.runtime.clock import Clock
from cluster.runtime.problems import DeadlineExceeded, Problem, UnsupportedParameter
from deployments.contracts.embedding import Embeddings, EmbedRequest, Vectors
from deployments.contracts.generation import ModelCard
from deployments.providers.attempts import UnaryUpstreamAttempt
from deployments.providers.errors import error_problem, unreadable
from deployments.providers.openai.answers import parse_error
from deployments.providers.openai.embeddings import (
    DecodedVectors,
    decode_embeddings,
    encode_embeddings,
)
from deployments.providers.provided_model import ProvidedModel
from deployments.providers.upstream_caller import UpstreamCaller
from deployments.providers.usage import estimated_tokens
from deployments.providers.wire import StreamDecoder, WireRequest

_PROCESS_ID: Final = uuid.uuid4().hex[:12]
_call_numbers = itertools.count(1)
_MOST_TOKENS_FACTOR, _MOST_TOKENS_MORE = 4, 1_000  # of a report that can be true


class EmbeddingCall:
    """A `WireCall` (attempts.py) for some texts of a request."""

    def __init__(
        self, model: str, request: EmbedRequest, inputs: Sequence[Any], input_type: str
    ) -> None:
        self.request = request
        self._model = model
        self._inputs = inputs
        self._input_type = input_type

    def encode(self, source: str) -> WireRequest:
        return encode_embeddings(source, self._inputs, self.request.dimensions, self._input_type)

    def decode(self, body: bytes) -> DecodedVectors:
        return decode_embeddings(self._model, len(self._inputs), body)

    def decoder(self) -> StreamDecoder:
        raise NotImplementedError  # embeddings are not streamed

    def problem(self, status: int, headers: Mapping[str, str], body: bytes) -> Problem:
        return error_problem(self._model, status, headers, parse_error(body))


class ProviderEmbedder(ProvidedModel):
    """An embedding model."""

    def __init__(
        self,
        card: ModelCard,
        caller: UpstreamCaller,
        spec: ResilienceSpec,
        clock: Clock,
        *,
        batch: int,
        has_dimensions: bool,
    ) -> None:
        """`batch` is the most texts of one call."""
        super().__init__(card, caller, spec, clock)
        self._batch = batch
        self._has_dimensions = has_dimensions

    async def embed(self, request: EmbedRequest) -> Embeddings:
        if request.dimensions is not None and not self._has_dimensions:
            raise UnsupportedParameter(
                "dimensions", "this model's provider has no shorter vectors."
            )
        inputs: list[Any] = [list(ids) for ids in request.token_ids] or list(request.texts)
        types = set(request.input_types)
        if len(types) > 1:
            raise UnsupportedParameter("input_type", "a provider takes one for all texts.")
        until = self.now() + request.timeout_s
        parts: list[DecodedVectors] = []
        for start in range(0, len(inputs), self._batch):
            left_s = until - self.now()
            if left_s <= 0:
                raise DeadlineExceeded(self._card.id, round(request.timeout_s, 3))
            some = inputs[start : start + self._batch]
            parts.append(await self._call(request, some, "".join(types), left_s))
        vectors = parts[0].vectors if len(parts) == 1 else np.concatenate(self._equal(parts))
        return Embeddings(vectors, _tokens(request, parts), self._card.id)

    def _equal(self, parts: list[DecodedVectors]) -> list[Vectors]:
        """The vectors of several calls, which must be of one length."""
        if len({part.vectors.shape[1] for part in parts}) > 1:
            raise unreadable(self._card.id, "answered vectors of several lengths")
        return [part.vectors for part in parts]

    async def _call(
        self, request: EmbedRequest, inputs: list[Any], input_type: str, timeout_s: float
    ) -> DecodedVectors:
        wire = EmbeddingCall(self._card.id, request, inputs, input_type)

        def send(call: str, timeout_s: float) -> UnaryUpstreamAttempt:
            return self.caller.unary(wire, call, timeout_s, timeout_s)

        call = f"{_PROCESS_ID}-e{next(_call_numbers):x}"
        decoded: DecodedVectors = await self.calls.run(call, timeout_s, send)
        return decoded


def _tokens(request: EmbedRequest, parts: list[DecodedVectors]) -> int:
    """Those that the provider reports, where they can be true, else an estimate."""
    if request.token_ids:
        return sum(map(len, request.token_ids))
    size = sum([len(text.encode()) for text in request.texts])
    reported = [part.tokens for part in parts if part.tokens is not None]
    total = sum(reported)
    is_known = len(reported) == len(parts)
    if is_known and 0 < total <= _MOST_TOKENS_FACTOR * size + _MOST_TOKENS_MORE:
        return total
    return estimated_tokens(size)
