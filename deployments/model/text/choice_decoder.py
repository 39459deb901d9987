"""One choice's text as it grows.

In: an engine's `Tokens`. Out: text deltas and log probabilities, which end before a stop string.
Joins the detokenizer and the stop strings, so that streamed and unary responses are equal.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from deployments.contracts.engine import Tokens
from deployments.contracts.generation import Choice, FinishReason, TokenLogprob, ToolCallDelta
from deployments.contracts.tool_calls import joined_calls
from deployments.model.text.tokenizer import Detokenizer
from deployments.model.text.tools.call_parser import ToolCallParser, join_deltas

SLICE = 256  # tokens that are decoded in one go


@dataclass(frozen=True, slots=True)
class TextDelta:
    """Text that is certain, the log probabilities of its tokens, and the end if it came, with the
    stop string that was met; where tools may be called, calls apart from the text.
    """

    text: str
    logprobs: tuple[TokenLogprob, ...] | None
    finish_reason: FinishReason | None
    tool_calls: tuple[ToolCallDelta, ...] = ()
    stop: str = ""


class ChoiceDecoder:
    """Feed it `Tokens` in order until a delta has a `finish_reason`.

    `tokens` counts what is billed: every token from the engine, but where a stop string was met
    only those whose text begins before its end. A token without text of its own (special, or part
    of a character) begins at the position of the text when it came. What an engine generates beyond
    that depends on the moment of its cancellation, and is not counted: equal requests with equal
    responses have equal counts.
    """

    def __init__(
        self,
        detokenizer: Detokenizer,
        stops: tuple[str, ...],
        token_bytes: Callable[[int], bytes],
        accepts: Callable[[str], bool] | None = None,
        tools: ToolCallParser | None = None,
    ) -> None:
        """`accepts` says of the whole text whether it may end with `stop` (None: any may). Where it
        may not, it was cut or has outgrown its format: it ends with `length`. With `tools`, calls
        in the text become deltas of their own; stop strings are looked for in all of the text, that
        of calls included.
        """
        self._accepts = accepts
        self._tools = tools
        self._texts: list[str] = []
        self._detokenizer = detokenizer
        self._stops = StopMatcher(stops) if stops else None
        self._token_bytes = token_bytes
        self._decoded = 0
        self._emitted = 0
        self.pending: deque[Tokens] = deque()
        self.ended = False
        self._logprobs: deque[tuple[int, TokenLogprob]] = deque()
        self.tokens = 0

    @property
    def is_plain(self) -> bool:
        """Whether deltas are the text of their tokens, and end with the engine's last ones."""
        return self._stops is None and self._accepts is None and self._tools is None

    def add(self, tokens: Tokens) -> TextDelta:
        """The next delta. Many tokens at once would block the event loop: further slices of them
        are `pending`, for `take`.
        """
        if len(tokens.ids) > SLICE:
            for start in range(0, len(tokens.ids), SLICE):
                self.pending.append(_slice(tokens, start, start + SLICE))
            tokens = self.pending.popleft()
        stops, reason = self._stops, tokens.finish_reason
        if stops is not None or tokens.logprobs or self._logprobs:
            delta = self._add_by_token(tokens, stops or StopMatcher(()))
        else:
            text = self._detokenizer.push(tokens.ids)
            if reason is not None:
                text += self._detokenizer.flush()
                self.ended = True
            self.tokens += len(tokens.ids)
            delta = TextDelta(text, None, reason)
        if self._accepts is not None:
            delta = self._checked(delta, self._accepts)
        return delta if self._tools is None else _without_calls(delta, self._tools)

    def add_plain(self, ids: tuple[int, ...]) -> str:
        """The text of tokens that do not end the sequence; only of a plain decoder."""
        text = self._detokenizer.push(ids)
        self.tokens += len(ids)
        return text

    def _checked(self, delta: TextDelta, accepts: Callable[[str], bool]) -> TextDelta:
        self._texts.append(delta.text)
        if delta.finish_reason == "stop" and not accepts("".join(self._texts)):
            return replace(delta, finish_reason="length")
        return delta

    def take(self) -> TextDelta | None:
        """The delta of the next pending slice; None where there is none."""
        if self.ended or not self.pending:
            return None
        return self.add(self.pending.popleft())

    def count(self, rest: Tokens | None = None) -> None:
        """The reader has left: count what is pending, and the rest that the engine generated."""
        if rest is not None:
            self.pending.append(rest)
        while self.take() is not None:
            pass

    def _add_by_token(self, tokens: Tokens, stops: "StopMatcher") -> TextDelta:
        """The same with the position of each token's text, for stop strings and logprobs."""
        text, starts = self._positions(tokens)
        text, met = stops.push(text)
        if tokens.finish_reason is not None and not met:
            tail, met = stops.push(self._detokenizer.flush())
            text += tail if met else tail + stops.flush()
        self.tokens += len(tokens.ids) if stops.end is None else bisect_left(starts, stops.end)
        self._emitted += len(text)
        reason: FinishReason | None = "stop" if met else tokens.finish_reason
        self.ended = reason is not None
        logprobs: list[TokenLogprob] | None = None
        if tokens.logprobs or self._logprobs:  # none for tokens that a stop string cut off
            logprobs, at_end = [], self.ended and not met
            while self._logprobs and (at_end or self._logprobs[0][0] < self._emitted):
                logprobs.append(self._logprobs.popleft()[1])
        return TextDelta(
            text, None if logprobs is None else tuple(logprobs), reason, stop=stops.met
        )

    def _positions(self, tokens: Tokens) -> tuple[str, list[int]]:
        """The text, and the position at which that of each token begins."""
        text = ""
        starts: list[int] = []
        for index, token in enumerate(tokens.ids):
            starts.append(self._decoded)
            if tokens.logprobs:
                top = tokens.top[index] if tokens.top else ()
                entry = describe_token(self._token_bytes, token, tokens.logprobs[index], top)
                self._logprobs.append((self._decoded, entry))
            token_text = self._detokenizer.push((token,))
            self._decoded += len(token_text)
            text += token_text
        return text, starts


def describe_token(
    token_bytes: Callable[[int], bytes],
    token: int,
    logprob: float | None,
    top: tuple[tuple[int, float], ...],
) -> TokenLogprob:
    """A token and its alternatives with their texts."""
    raw = token_bytes(token)
    return TokenLogprob(
        token=_printable(raw),
        raw=raw,
        logprob=logprob,
        top=tuple((_printable(b := token_bytes(other)), b, value) for other, value in top),
    )


class StopMatcher:
    """Holds back text that may begin a stop string, and ends at the first complete one.

    The text ends before the stop string that is complete first, however the stream is cut.

    Each stop string is matched by Knuth, Morris and Pratt's algorithm ("Fast Pattern Matching in
    Strings", 1977): a character costs a bounded number of steps on average, however long the stop
    strings are and whatever has come before. Of two that end together the longer one counts.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = [
            _Pattern(stop) for stop in sorted(filter(None, stops), key=len, reverse=True)
        ]
        self._held_back = ""
        self._read = 0
        self.met = ""  # the stop string that the text has ended before
        self.end: int | None = None  # characters of all that was pushed, up to the match's end

    def push(self, text: str) -> tuple[str, bool]:
        """Returns (text that is certain, whether a stop string was met).

        Not to be called again after True.
        """
        if not self._stops:
            return text, False
        held_back = len(self._held_back)
        pending = self._held_back + text
        for count, character in enumerate(text, 1):
            for pattern in self._stops:
                if pattern.push(character):
                    self.end = self._read + count
                    self.met = pattern.text
                    return pending[: held_back + count - pattern.length], True
        self._read += len(text)
        certain = len(pending) - max(pattern.matched for pattern in self._stops)
        self._held_back = pending[certain:]
        return pending[:certain], False

    def flush(self) -> str:
        """The text held back, once no more can come."""
        text, self._held_back = self._held_back, ""
        return text


class _Pattern:
    """One stop string; `matched` is the length of its longest prefix that the text ends with."""

    __slots__ = ("_failure", "length", "matched", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.length = len(text)
        self.matched = 0
        self._failure = _failure(text)

    def push(self, character: str) -> bool:
        """Whether the string is complete with this character. Not to be called again after True."""
        matched = self.matched
        while matched and self.text[matched] != character:
            matched = self._failure[matched]
        if self.text[matched] == character:
            matched += 1
        self.matched = matched
        return matched == self.length


def _failure(text: str) -> list[int]:
    """For each length of a prefix, the length of its longest proper prefix that also ends it."""
    table = [0, 0]
    matched = 0
    for character in text[1:]:
        while matched and text[matched] != character:
            matched = table[matched]
        if text[matched] == character:
            matched += 1
        table.append(matched)
    return table


def _without_calls(delta: TextDelta, parser: ToolCallParser) -> TextDelta:
    """The delta with the calls in its text taken apart."""
    text, calls = parser.push(delta.text)
    reason = delta.finish_reason
    if reason is not None:
        rest, more = parser.flush()
        text, calls = text + rest, join_deltas((*calls, *more))
        if reason == "stop" and parser.calls:
            reason = "tool_calls"
    return TextDelta(text, delta.logprobs, reason, calls, delta.stop)


def _slice(tokens: Tokens, start: int, end: int) -> Tokens:
    reason = tokens.finish_reason if end >= len(tokens.ids) else None
    return Tokens(tokens.ids[start:end], reason, tokens.logprobs[start:end], tokens.top[start:end])


def _printable(raw: bytes) -> str:
    return raw.decode("utf-8", errors="replace")


def build_choice(index: int, deltas: Sequence[TextDelta], with_calls: bool) -> Choice:
    """The choice of all its deltas, the last of which has a finish reason."""
    reason = deltas[-1].finish_reason
    assert reason is not None, "a choice is built once it has ended"
    logprobs = [delta.logprobs for delta in deltas if delta.logprobs is not None]
    return Choice(
        index=index,
        text="".join([delta.text for delta in deltas]),
        finish_reason=reason,
        logprobs=tuple(chain.from_iterable(logprobs)) if logprobs else None,
        tool_calls=joined_calls([delta.tool_calls for delta in deltas]) if with_calls else (),
        stop=deltas[-1].stop,
    )
