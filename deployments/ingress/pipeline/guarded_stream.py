"""The chunks of one streamed response under its guardrails.

Flows in: chunks of a model or of the cache. Flows out: chunks with what may leave. A choice that is
refused ends with the finish reason `content_filter`, and nothing of it follows; the others go on.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from deployments.contracts.generation import Chunk, TokenUsage, ToolCallDelta
from deployments.guardrails.stream_window import Released, RuleFinding
from deployments.guardrails.streamed_text import StreamedText
from deployments.ingress.pipeline.guarded_request import GuardedRequest

_TEXT, _REASONING, _REFUSAL = "text", "reasoning", "refusal"


@dataclass(slots=True)
class _GuardedChoice:
    """The texts of one choice by name, those of tool calls by their number."""

    texts: dict[str | int, StreamedText] = field(default_factory=dict)
    is_over: bool = False

    def ended_by(self, chunk: Chunk) -> list[str | int]:
        """The texts that a chunk shows to be whole, so that they leave before what follows them:
        reasoning before an answer, text before calls, a call before the next one.
        """
        ended: list[str | int] = []
        if _REASONING in self.texts and (chunk.text or chunk.refusal or chunk.tool_calls):
            ended.append(_REASONING)
        if _TEXT in self.texts and chunk.tool_calls:
            ended.append(_TEXT)
        begun = [call.index for call in chunk.tool_calls if call.id]
        if begun:
            ended += [name for name in self.texts if isinstance(name, int) and name < min(begun)]
        return ended


class GuardedStream:
    """Add each chunk of a stream of `n` choices."""

    def __init__(self, guard: GuardedRequest, n: int, *, is_json: bool) -> None:
        self._guard = guard
        self._n = n
        self._is_json = is_json
        self._choices: dict[int, _GuardedChoice] = {}
        self._owed = Chunk(0, "")  # what is told of chunks that had nothing to leave
        self._usage = TokenUsage()  # so far, by the chunks
        self._is_over = False

    @property
    def is_over(self) -> bool:
        """Whether the last choice that was open has been refused: nothing more is to come."""
        return self._is_over

    async def add(self, chunk: Chunk) -> Chunk | None:
        """What leaves; None: nothing yet. Raises GuardrailRefused where a refused output is a
        problem, and GuardrailUnavailable.
        """
        self._usage += TokenUsage(chunk.prompt_tokens, chunk.tokens)
        choice = self._choices.setdefault(chunk.index, _GuardedChoice())
        if choice.is_over:
            return self._metadata(chunk)
        refusals: list[RuleFinding] = []
        before = await self._close(choice, choice.ended_by(chunk), refusals)
        text = await self._add(choice, _TEXT, chunk.text, refusals, is_json=self._is_json)
        reasoning = await self._add(choice, _REASONING, chunk.reasoning, refusals)
        said = await self._add(choice, _REFUSAL, chunk.refusal, refusals)
        calls = [await self._add_call(choice, call, refusals) for call in chunk.tool_calls]
        after: dict[str | int, str] = {}
        if chunk.finish_reason is not None:
            after = await self._close(choice, list(choice.texts), refusals)
        changed = replace(
            chunk,
            text=before.get(_TEXT, "") + text + after.get(_TEXT, ""),
            reasoning=before.get(_REASONING, "") + reasoning + after.get(_REASONING, ""),
            refusal=before.get(_REFUSAL, "") + said + after.get(_REFUSAL, ""),
            tool_calls=(*_deltas(before), *calls, *_deltas(after)),
        )
        choice.is_over = chunk.finish_reason is not None
        if refusals:
            self._guard.raise_for(refusals[0])
            changed = self._refuse(choice, changed)
        return self._leaving(changed)

    def _refuse(self, choice: _GuardedChoice, chunk: Chunk) -> Chunk:
        """The last chunk of a refused choice; that of the last choice has the usage so far."""
        choice.is_over = True
        self._is_over = sum(each.is_over for each in self._choices.values()) >= self._n
        usage = self._usage if self._is_over and chunk.usage is None else chunk.usage
        return replace(chunk, finish_reason="content_filter", stop="", usage=usage)

    async def _add(
        self,
        choice: _GuardedChoice,
        name: str | int,
        piece: str,
        refusals: list[RuleFinding],
        *,
        is_json: bool = False,
    ) -> str:
        if not piece or refusals:
            return ""
        text = choice.texts.get(name)
        if text is None:
            active = self._guard.active
            text = choice.texts[name] = StreamedText(
                active.output, self._guard.asker, active.window_characters, is_json=is_json
            )
        return self._note(await text.add(piece), refusals)

    async def _add_call(
        self, choice: _GuardedChoice, call: ToolCallDelta, refusals: list[RuleFinding]
    ) -> ToolCallDelta:
        arguments = await self._add(choice, call.index, call.arguments, refusals, is_json=True)
        return replace(call, arguments=arguments)

    async def _close(
        self,
        choice: _GuardedChoice,
        names: Iterable[str | int],
        refusals: list[RuleFinding],
    ) -> dict[str | int, str]:
        """The rest of each of these texts, which have ended, by name."""
        rest: dict[str | int, str] = {}
        for name in names:
            text = choice.texts.pop(name)
            if not refusals:
                rest[name] = self._note(await text.close(), refusals)
        return rest

    def _note(self, released: Released, refusals: list[RuleFinding]) -> str:
        for finding in released.findings:
            self._guard.note(finding, "output")
        if released.refusal is not None:
            self._guard.note(released.refusal, "output")
            refusals.append(released.refusal)
        return released.text

    def _metadata(self, chunk: Chunk) -> Chunk | None:
        """What a chunk of a choice that is over still tells: the usage of the stream."""
        if chunk.usage is None:
            return None
        return Chunk(chunk.index, "", usage=chunk.usage)

    def _leaving(self, chunk: Chunk) -> Chunk | None:
        """The chunk with what is owed, or None while there is nothing to tell."""
        owed = self._owed
        chunk = replace(
            chunk,
            tokens=chunk.tokens + owed.tokens,
            prompt_tokens=chunk.prompt_tokens + owed.prompt_tokens,
            model=chunk.model or owed.model,
        )
        has_text = chunk.text or chunk.reasoning or chunk.refusal
        has_calls = any(call.id or call.arguments for call in chunk.tool_calls)
        if has_text or has_calls or chunk.finish_reason is not None or chunk.usage is not None:
            self._owed = Chunk(0, "")
            calls = tuple(call for call in chunk.tool_calls if call.id or call.arguments)
            return replace(chunk, tool_calls=calls)
        self._owed = Chunk(
            0, "", tokens=chunk.tokens, prompt_tokens=chunk.prompt_tokens, model=chunk.model
        )
        return None


def _deltas(rest: Mapping[str | int, str]) -> list[ToolCallDelta]:
    """What is left of the arguments of calls."""
    return [
        ToolCallDelta(number, arguments=arguments)
        for number, arguments in rest.items()
        if isinstance(number, int) and arguments
    ]
