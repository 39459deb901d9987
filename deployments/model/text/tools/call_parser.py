"""The calls in a model's text as it grows.

    text -> mark? -> name -> arguments -> mark -> text ...

In: text that is certain, in pieces, and the names of the tools. Out: content and deltas of calls;
joined, they are the same however the text was cut. Linear in the text.

What looks like a call and is none (an unknown name, broken JSON) becomes content, marks included.
A call is reported once its name is known and its arguments have begun; from then on its text stays
the call's: where the arguments turn out to be no JSON, all up to the closing mark is added to them,
and the client sees what the model wrote. White space around calls belongs to neither.
"""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from deployments.contracts.generation import ToolCallDelta
from deployments.model.text.tools.call_reader import CallReader
from deployments.model.text.tools.json_scanner import skip_blanks
from deployments.model.text.tools.marks import MarkFinder

_SEPARATORS = re.compile(r"[\s,;]*")
_NAMED = re.compile(r"\s*([A-Za-z0-9_-]{1,64})\s*(?:\[CALL_ID\]\w{1,64}\s*)?(?:\[ARGS\]\s*)?")
_LONGEST_NAMED = 256  # characters between a mark and the arguments

_State = Callable[[str, int], int]


@dataclass(frozen=True, slots=True)
class CallSyntax:
    """How a family of models writes calls.

    After `opening` come calls as JSON objects, and `closing` after each, where it is not empty.
    `bare`: a text may also begin with a call, without a mark. `array`: calls may be items of a JSON
    array. `named`: the mark may be followed by a call's name and its arguments instead.
    """

    opening: str = ""
    closing: str = ""
    bare: bool = False
    array: bool = False
    named: bool = False


class ToolCallParser:
    """The calls of one choice. `push` its text, then `flush`.

    `calls` is how many were reported. With `parallel` False only the first is; further ones are
    dropped.
    """

    def __init__(
        self,
        syntax: CallSyntax,
        names: Collection[str],
        make_id: Callable[[int], str],
        *,
        parallel: bool = True,
    ) -> None:
        """`make_id` gives the id of the call with that index."""
        self.calls = 0
        self._syntax = syntax
        self._names = frozenset(names)
        self._make_id = make_id
        self._parallel = parallel
        self._state: _State = self._before_call if syntax.bare else self._content
        self._opening = MarkFinder(syntax.opening)
        self._closing = MarkFinder(syntax.closing)
        self._reader = CallReader(self._names)
        self._reported = False  # the call that is being read
        self._in_array = False
        self._after_call = False
        self._closing_read = 0  # characters of the closing mark
        self._named = ""  # what stands between a mark and arguments
        self._blanks: list[str] = []  # white space that content or a mark may follow
        self._raw: list[str] = []  # of a call that is not reported yet, or after its arguments
        self._early: list[str] = []  # arguments that came before the name
        self._text: list[str] = []
        self._deltas: list[ToolCallDelta] = []

    def push(self, text: str) -> tuple[str, tuple[ToolCallDelta, ...]]:
        """The content and the deltas that became certain."""
        at = 0
        while at < len(text):
            at = self._state(text, at)
        return self._take()

    def flush(self) -> tuple[str, tuple[ToolCallDelta, ...]]:
        """The rest, once no more text can come."""
        state = self._state
        if state == self._content:
            held = self._opening.take()
            if held or not self._after_call:
                self._text += [*self._blanks, held]
        elif state == self._broken_arguments:
            self._report_arguments(self._closing.take())
        elif state == self._name_after_mark:
            self._text += [*self._raw, self._named]
        elif state != self._after_object and (not self._reported or "".join(self._raw).strip()):
            self._text += self._raw
        self._blanks, self._raw = [], []
        return self._take()

    def _take(self) -> tuple[str, tuple[ToolCallDelta, ...]]:
        text, deltas = "".join(self._text), join_deltas(self._deltas)
        self._text, self._deltas = [], []
        return text, deltas

    # The states: each reads on from `at` and returns the position up to which it read. It reads a
    # character or more, or goes to another state.

    def _content(self, text: str, at: int) -> int:
        before, at, met = self._opening.find(text, at)
        self._add_content(before)
        if met:
            self._raw = [*self._blanks, self._syntax.opening]
            self._blanks, self._state = [], self._before_call
        return at

    def _before_call(self, text: str, at: int) -> int:
        """After a mark, or at the beginning of a bare text."""
        end = skip_blanks(text, at)
        self._raw.append(text[at:end])
        if end == len(text):
            return end
        character = text[end]
        if character == "{":
            self._begin_object()
        elif character == "[" and self._syntax.array and not self._in_array:
            self._in_array = True
            self._raw.append(character)
            return end + 1
        elif self._syntax.named and not self._in_array:
            self._named, self._early, self._state = "", [], self._name_after_mark
        else:
            self._give_up()
        return end

    def _name_after_mark(self, text: str, at: int) -> int:
        """A call's name, up to the brace of its arguments."""
        room = _LONGEST_NAMED - len(self._named)
        brace = text.find("{", at, at + room + 1)
        end = min(len(text), at + room) if brace < 0 else brace
        self._named += text[at:end]
        if brace < 0 and len(self._named) < _LONGEST_NAMED:
            return end
        match = _NAMED.fullmatch(self._named)
        self._raw.append(self._named)
        if brace < 0 or match is None or match[1] not in self._names:
            self._give_up()
            return end
        self._reader, self._state = CallReader(self._names, name=match[1]), self._object
        self._report()
        return end

    def _object(self, text: str, at: int) -> int:
        reader, in_arguments = self._reader, self._reader.in_arguments
        end = reader.scan(text, at)
        part = text[at:end]
        if not (self._reported and in_arguments):
            self._raw.append(part)
        elif part:
            self._report_arguments(part)
        if in_arguments and not self._reported:
            self._early.append(part)
        if not self._reported and reader.name and (reader.begun or reader.closed):
            self._report()
        if reader.closed:
            self._end_object()
        elif reader.invalid:
            self._break_object()
        return end

    def _after_object(self, text: str, at: int) -> int:
        """Between calls: separators, the array's end, the closing mark."""
        closing = self._syntax.closing
        if not self._closing_read:
            match = _SEPARATORS.match(text, at)
            end = at if match is None else match.end()
            self._raw.append(text[at:end])
            if end > at:
                return end
        character = text[at]
        if closing and character == closing[self._closing_read]:
            self._closing_read += 1
            if self._closing_read == len(closing):
                self._end_calls()
        elif self._closing_read:
            self._raw.append(closing[: self._closing_read])
            self._give_up()
            return at
        elif character == "{":
            self._begin_object()
            return at
        elif character == "]" and self._in_array:
            self._end_calls()
        else:
            self._give_up()
            return at
        return at + 1

    def _broken_arguments(self, text: str, at: int) -> int:
        before, at, met = self._closing.find(text, at)
        self._report_arguments(before)
        if met:
            self._end_calls()
        return at

    # Transitions.

    def _begin_object(self) -> None:
        self._reader, self._reported, self._early = CallReader(self._names), False, []
        self._state = self._object

    def _end_object(self) -> None:
        """A call is complete; one that had no name never was a call."""
        if not self._reported:
            self._give_up()
            return
        self._raw, self._closing_read, self._reported = [], 0, False
        self._state = self._after_object

    def _break_object(self) -> None:
        if self._reported and not self._reader.ended:
            self._state = self._broken_arguments
        else:
            self._give_up()

    def _end_calls(self) -> None:
        self._raw, self._in_array = [], False
        self._after_call, self._state = True, self._content

    def _give_up(self) -> None:
        """What was read is content, and so is what follows up to the next mark."""
        raw, self._raw = "".join(self._raw), []
        self._in_array = self._reported = False
        self._state = self._content
        self._add_content(raw)

    # Results.

    def _add_content(self, text: str) -> None:
        """White space at the end waits for what follows it."""
        if not self._syntax.opening:
            self._text.append(text)
            return
        stripped = text.rstrip()
        if stripped:
            self._text += [*self._blanks, stripped]
            self._blanks, self._after_call = [], False
        if len(stripped) < len(text):
            self._blanks.append(text[len(stripped) :])

    def _report(self) -> None:
        """The call's first delta, with the arguments that came before its name."""
        index, reader = self.calls, self._reader
        self.calls += 1
        self._reported, self._raw = True, []
        arguments = "".join(self._early) if reader.begun else "{}"
        self._early = []
        if self._parallel or index == 0:
            self._deltas.append(ToolCallDelta(index, self._make_id(index), reader.name, arguments))

    def _report_arguments(self, text: str) -> None:
        if text and (self._parallel or self.calls == 1):
            self._deltas.append(ToolCallDelta(self.calls - 1, arguments=text))


def join_deltas(deltas: Iterable[ToolCallDelta]) -> tuple[ToolCallDelta, ...]:
    """One delta for each call."""
    calls: dict[int, list[ToolCallDelta]] = {}
    for delta in deltas:
        calls.setdefault(delta.index, []).append(delta)
    return tuple(
        [
            ToolCallDelta(
                index, parts[0].id, parts[0].name, "".join([part.arguments for part in parts])
            )
            for index, parts in calls.items()
        ]
    )
