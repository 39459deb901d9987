"""One text on its way out: what no rule can object to any more leaves at once, redacted.

In: pieces of a text. Out: what may leave, with placeholders where it was redacted, and what was
found. Only so much is held back as a rule may still need. What leaves is the same for every way in
which the text is cut into pieces.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from deployments.guardrails.json_text import DIGIT, FIXED, JsonReader
from deployments.guardrails.spec import Action
from deployments.text.folding import FoldedText, FoldingTable
from deployments.text.pii_kinds import CONTEXT
from deployments.text.scanning import Scanner, original

_PIECE = 1_024  # characters that are scanned at a time, so that each search is short


@dataclass(frozen=True, slots=True)
class RuleFinding:
    """What a rule of a policy found; never the text itself."""

    policy: str
    rule: str
    action: Action


@dataclass(frozen=True, slots=True)
class PlaceRule:
    """A rule that finds places in text folded by `table`. `placeholder` may have `{kind}`."""

    finding: RuleFinding
    table: FoldingTable
    scanners: Sequence[Scanner]
    placeholder: str = ""
    min_score: float = 0.0

    @property
    def holds_back(self) -> bool:
        """Text may only leave once this rule has read it."""
        return self.finding.action != "flag"


@dataclass(slots=True)
class Released:
    """`text` may leave. After `refusal` nothing more may; the text before it was free to go."""

    text: str = ""
    findings: list[RuleFinding] = field(default_factory=list)
    refusal: RuleFinding | None = None


@dataclass(slots=True)
class _Cursor:
    rule: PlaceRule
    scanner: Scanner
    position: int = 0


@dataclass(slots=True)
class _FoldedTrack:
    """The text in one folding, from a little before the first cursor on."""

    text: FoldedText
    cursors: list[_Cursor]

    def cut(self) -> None:
        count = min(cursor.position for cursor in self.cursors) - CONTEXT
        if count > 0:
            self.text.cut(count)
            for cursor in self.cursors:
                cursor.position -= count


@dataclass(frozen=True, slots=True, order=True)
class _Place:
    start: int
    negative_end: int  # of places that begin together the longest comes first
    order: int
    rule: PlaceRule = field(compare=False)
    kind: str = field(compare=False)


class TextWindow:
    """One text; close it at its end. With `is_json` what leaves is JSON if the text is: strings are
    redacted within, escapes included, and the digits of numbers become nines.
    """

    def __init__(self, rules: Sequence[PlaceRule], *, is_json: bool = False) -> None:
        self._tracks = _tracks_of(rules)
        self._order = {id(rule): at for at, rule in enumerate(rules)}
        self._reader = JsonReader() if is_json else None
        self._pending = ""  # what has not left
        self._classes = ""  # of the characters of JSON among it
        self._left = 0  # characters that have left, or were replaced
        self._read = 0  # characters that the tracks have
        self._places: list[_Place] = []
        self._redacted_to = 0
        self._placeholder = ""  # of the redaction under way; empty: it has left
        self._is_refused = False

    def add(self, text: str) -> Released:
        """More of the text."""
        released = Released()
        for at in range(0, len(text), _PIECE):
            self._advance(text[at : at + _PIECE], released, is_whole=False)
        return released

    def close(self) -> Released:
        """The text ends here."""
        released = Released()
        self._advance("", released, is_whole=True)
        return released

    def _advance(self, text: str, released: Released, *, is_whole: bool) -> None:
        if self._is_refused:
            return
        self._pending += text
        self._extend(text, is_whole=is_whole)
        safe = self._scan(is_whole=is_whole)
        self._places.sort()
        parts: list[str] = []
        known = 0
        for place in self._places:
            if place.start >= safe:
                break
            known += 1
            finding = place.rule.finding
            if finding.action == "flag":
                released.findings.append(finding)
                continue
            if finding.action == "refuse":
                parts.append(self._leave(place.start))
                self._is_refused, released.refusal = True, finding
                break
            released.findings.append(finding)
            self._begin_redaction(place, parts)
        if not self._is_refused:
            parts.append(self._leave(safe))
        del self._places[:known]
        released.text += "".join(parts)

    def _begin_redaction(self, place: _Place, parts: list[str]) -> None:
        end = -place.negative_end
        if place.start >= self._redacted_to:
            parts.append(self._leave(place.start))
            kind = place.kind.upper()
            self._placeholder = place.rule.placeholder.replace("{kind}", kind)
            self._redacted_to = end
            if self._reader is None:
                parts.append(self._placeholder)
        else:
            self._redacted_to = max(self._redacted_to, end)

    def _extend(self, text: str, *, is_whole: bool) -> None:
        """Give the tracks what is new."""
        if self._reader is None:
            for track in self._tracks:
                track.text.add(text, self._read)
            self._read += len(text)
            return
        read = self._reader.read(text, self._read, is_whole=is_whole)
        for track in self._tracks:
            track.text.add_folded("".join(read.text), read.starts, read.ends)
        classes = "".join(read.classes)
        self._classes += classes
        self._read += len(classes)

    def _scan(self, *, is_whole: bool) -> int:
        """Up to where the text may leave, given the places that are known now."""
        safe = self._read
        for track in self._tracks:
            folded = track.text
            for cursor in track.cursors:
                rule = cursor.rule
                spans, position = cursor.scanner.scan(
                    folded.text, cursor.position, is_whole=is_whole
                )
                for span in spans:
                    if span.score >= rule.min_score:
                        place = original(span, folded)
                        order = self._order[id(rule)]
                        self._places.append(
                            _Place(place.start, -place.end, order, rule, place.kind)
                        )
                cursor.position = position
                if rule.holds_back and position < len(folded.text):
                    safe = min(safe, folded.starts[position])
            track.cut()
        return safe

    def _leave(self, end: int) -> str:
        """What leaves of the text up to `end`; the rest stays."""
        start = self._left
        if end <= start:
            return ""
        count = end - start
        text, self._pending = self._pending[:count], self._pending[count:]
        self._left = end
        if self._reader is not None:
            classes, self._classes = self._classes[:count], self._classes[count:]
            return self._leave_json(text, classes, start)
        hidden = min(max(0, self._redacted_to - start), count)
        return text[hidden:]

    def _leave_json(self, text: str, classes: str, start: int) -> str:
        if self._redacted_to <= start:
            return text
        parts: list[str] = []
        for at, (character, kind) in enumerate(zip(text, classes, strict=True), start):
            if at >= self._redacted_to:
                parts.append(text[at - start :])
                break
            if kind == FIXED:
                parts.append(character)
            elif kind == DIGIT:
                parts.append("9")
            else:
                parts.append(self._placeholder)
                self._placeholder = ""
        return "".join(parts)


def _tracks_of(rules: Sequence[PlaceRule]) -> list[_FoldedTrack]:
    """Rules that read the same folding share it."""
    tracks: dict[int, _FoldedTrack] = {}
    for rule in rules:
        track = tracks.setdefault(id(rule.table), _FoldedTrack(FoldedText(rule.table), []))
        track.cursors += [_Cursor(rule, scanner) for scanner in rule.scanners]
    return list(tracks.values())
