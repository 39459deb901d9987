"""A stream's tokens on the shortest way from the engine to the replica's caller.

In: tokens, while the next batch is awaited. Out: pieces of text for a relay, decoded, charged and
counted as those that go through the generators of TextModel.
"""

from collections.abc import Sequence

from deployments.contracts.generation import GenerateRequest
from deployments.contracts.text_relay import TextRelay
from deployments.model.queueing.admission import QueueTicket
from deployments.model.text.choice_decoder import SLICE, ChoiceDecoder


class OutputCounts:
    """The tokens that a stream's chunks report, each once."""

    __slots__ = ("_decoders", "_reported")

    def __init__(self, decoders: Sequence[ChoiceDecoder]) -> None:
        self._decoders = decoders
        self._reported = 0

    def take(self) -> int:
        """Those that were decoded and not reported yet."""
        generated = sum([decoder.tokens for decoder in self._decoders])
        unreported, self._reported = generated - self._reported, generated
        return unreported


def may_relay(request: GenerateRequest, decoders: Sequence[ChoiceDecoder]) -> bool:
    """Whether pieces of the stream can be text only, and its end comes from the engine alone."""
    return request.n == 1 and request.sampling.logprobs is None and decoders[0].is_plain


class TokenRelay:
    """Of a stream with one choice. `has_begun`: its first chunk, which says more, was yielded."""

    __slots__ = ("_counts", "_decoder", "_relay", "_ticket", "has_begun")

    def __init__(
        self, relay: TextRelay, decoder: ChoiceDecoder, ticket: QueueTicket, counts: OutputCounts
    ) -> None:
        self.has_begun = False
        self._relay = relay
        self._decoder = decoder
        self._ticket = ticket
        self._counts = counts

    def take(self, ids: tuple[int, ...]) -> bool:
        """For `TokenRequest.on_tokens`."""
        size = len(ids)
        if not self.has_begun or size > SLICE or not self._relay.takes(0):
            return False
        try:
            text = self._decoder.add_plain(ids)
        except Exception:  # noqa: BLE001 - raised again in the task of the request, by these tokens
            return False
        self._ticket.charge_output_tokens(size)
        if text:
            self._relay.take(0, text, self._counts.take())
        return True
