"""One choice's text as it grows.

In: an engine's `Tokens`. Out: pieces of text and log probabilities. Joins the detokenizer and the
stop strings, so that streamed and whole answers say the same.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from deployments.contracts.engine import Tokens
from deployments.contracts.generation import FinishReason, TokenLogprob
from deployments.model.text.detokenizer import Detokenizer
from deployments.model.text.stops import StopMatcher

_SLICE = 256


@dataclass(frozen=True, slots=True)
class TextDelta:
    """Text that is certain, the log probabilities of its tokens, and the end if it came."""

    text: str
    logprobs: tuple[TokenLogprob, ...] | None
    finish_reason: FinishReason | None


class ChoiceDecoder:
    """Feed it `Tokens` in order until a piece has a `finish_reason`.

    `tokens` counts what is billed: every token that the engine gave, but where a stop string was
    met only those whose text begins before its end. A token without text of its own (special, or
    part of a character) begins where the text stood when it came. What an engine generates beyond
    that depends on the moment at which it is told to end, and is not counted: equal requests with
    equal answers have equal counts.
    """

    def __init__(
        self,
        detokenizer: Detokenizer,
        stops: tuple[str, ...],
        token_bytes: Callable[[int], bytes],
    ) -> None:
        self._detokenizer = detokenizer
        self._stops = StopMatcher(stops)
        self._stepwise = bool(stops)
        self._bytes = token_bytes
        self._decoded = 0
        self._shown = 0
        self._pending: deque[Tokens] = deque()
        self.ended = False
        self._waiting: deque[tuple[int, TokenLogprob]] = deque()
        self.tokens = 0

    def push(self, tokens: Tokens) -> TextDelta:
        """The piece that these tokens complete."""
        text, starts = self._decode(tokens)
        text, met = self._stops.push(text)
        if tokens.finish_reason is not None and not met:
            tail, met = self._stops.push(self._detokenizer.flush())
            text += tail if met else tail + self._stops.flush()
        end = self._stops.end
        self.tokens += len(tokens.ids) if end is None else bisect_left(starts, end)
        self._shown += len(text)
        reason: FinishReason | None = "stop" if met else tokens.finish_reason
        self.ended = reason is not None
        return TextDelta(text, self._released(tokens, whole=reason is not None and not met), reason)

    def add(self, tokens: Tokens) -> None:
        """Tokens to `take` the pieces of, in slices: many at once would hold up the event loop."""
        if len(tokens.ids) <= _SLICE:
            self._pending.append(tokens)
            return
        for start in range(0, len(tokens.ids), _SLICE):
            self._pending.append(_slice(tokens, start, start + _SLICE))

    @property
    def waiting(self) -> bool:
        """Whether there is more to take."""
        return bool(self._pending)

    def take(self) -> TextDelta | None:
        """The next piece; None where there is none now."""
        if self.ended or not self._pending:
            return None
        return self.push(self._pending.popleft())

    def count(self, rest: Tokens | None = None) -> None:
        """Count what was not taken, and the rest that the engine had generated: its reader left."""
        if rest is not None:
            self._pending.append(rest)
        while self.take() is not None:
            pass

    def _decode(self, tokens: Tokens) -> tuple[str, list[int]]:
        """The text, and where that of each token begins, where it matters."""
        if not (tokens.logprobs or self._stepwise):
            return self._detokenizer.push(tokens.ids), []
        text = ""
        starts: list[int] = []
        for at, token in enumerate(tokens.ids):
            starts.append(self._decoded)
            if tokens.logprobs:
                top = tokens.top[at] if tokens.top else ()
                entry = self._described(token, tokens.logprobs[at], top)
                self._waiting.append((self._decoded, entry))
            part = self._detokenizer.push((token,))
            self._decoded += len(part)
            text += part
        return text, starts

    def _released(self, tokens: Tokens, whole: bool) -> tuple[TokenLogprob, ...] | None:
        """Entries of the tokens whose text has been shown.

        None for a token that a stop string cut off.
        """
        if not tokens.logprobs and not self._waiting:
            return None
        out: list[TokenLogprob] = []
        while self._waiting and (whole or self._waiting[0][0] < self._shown):
            out.append(self._waiting.popleft()[1])
        return tuple(out)

    def _described(
        self, token: int, logprob: float, top: tuple[tuple[int, float], ...]
    ) -> TokenLogprob:
        raw = self._bytes(token)
        return TokenLogprob(
            token=_shown(raw),
            raw=raw,
            logprob=logprob,
            top=tuple((_shown(b := self._bytes(other)), b, value) for other, value in top),
        )


def _slice(tokens: Tokens, start: int, end: int) -> Tokens:
    reason = tokens.finish_reason if end >= len(tokens.ids) else None
    return Tokens(tokens.ids[start:end], reason, tokens.logprobs[start:end], tokens.top[start:end])


def _shown(raw: bytes) -> str:
    return raw.decode("utf-8", errors="replace")
