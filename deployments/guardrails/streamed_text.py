"""One streamed text under all rules of a set.

In: pieces of a text. Out: what may leave. Rules that judge whole texts and refuse read the text in
windows of so many characters, each with the one before it, and hold it back until they have; those
that only flag judge the whole text at its end, up to MAX_JUDGED characters.
"""

from deployments.guardrails.judges import Asker
from deployments.guardrails.rules import TextRules
from deployments.guardrails.stream_window import Released, RuleFinding, TextWindow

MAX_JUDGED = 20_000


class StreamedText:
    """Add pieces, then close it. After a refusal nothing more leaves."""

    def __init__(
        self, rules: TextRules, asker: Asker, window_characters: int, *, is_json: bool = False
    ) -> None:
        self._asker = asker
        self._size = window_characters
        self._window = TextWindow(rules.places, is_json=is_json)
        self._lengths = list(rules.lengths)
        judges = rules.judges
        self._refusing = [each for each in judges if each.finding.action == "refuse"]
        self._flagging = [each for each in judges if each.finding.action != "refuse"]
        self._length = 0
        self._before = ""  # the window that was judged last
        self._unjudged = ""
        self._whole = ""  # for the judges that flag

    async def add(self, text: str) -> Released:
        """Raises GuardrailUnavailable."""
        text, findings, too_long = self._within_lengths(text)
        if self._flagging and len(self._whole) < MAX_JUDGED:
            self._whole += text
        released = Released(findings=findings)
        if not self._refusing:
            _append(released, self._window.add(text))
        else:
            self._unjudged += text
            while released.refusal is None and len(self._unjudged) >= self._size:
                window, self._unjudged = self._unjudged[: self._size], self._unjudged[self._size :]
                await self._judge(window, released)
        if too_long is not None and released.refusal is None:
            _append(released, await self._finish())
            released.refusal = released.refusal or too_long
        return released

    async def close(self) -> Released:
        """The text ends here. Raises GuardrailUnavailable."""
        released = await self._finish()
        if released.refusal is None and self._whole:
            for judge in self._flagging:
                if await judge.objects(self._whole, self._asker):
                    released.findings.append(judge.finding)
        return released

    async def _finish(self) -> Released:
        released = Released()
        if self._unjudged:
            window, self._unjudged = self._unjudged, ""
            await self._judge(window, released)
        if released.refusal is None:
            _append(released, self._window.close())
        return released

    async def _judge(self, window: str, released: Released) -> None:
        """Let a window pass, unless a rule objects to it and the one before."""
        judged, self._before = self._before + window, window
        for judge in self._refusing:
            if await judge.objects(judged, self._asker):
                released.refusal = judge.finding
                return
        _append(released, self._window.add(window))

    def _within_lengths(self, text: str) -> tuple[str, list[RuleFinding], RuleFinding | None]:
        """What of a piece the limits let pass, what they flag, and who cuts it short."""
        findings: list[RuleFinding] = []
        after, too_long = self._length + len(text), None
        for limit in list(self._lengths):
            if after <= limit.characters:
                continue
            self._lengths.remove(limit)
            if limit.finding.action == "flag":
                findings.append(limit.finding)
            else:
                too_long = limit.finding
                text = text[: max(0, limit.characters - self._length)]
        self._length = after
        return text, findings, too_long


def _append(released: Released, more: Released) -> None:
    released.text += more.text
    released.findings += more.findings
    released.refusal = released.refusal or more.refusal
