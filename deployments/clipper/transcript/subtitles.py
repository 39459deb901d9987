"""SRT and WebVTT: text in, cues out, by pysubs2. Nothing here cares for words."""

import re

import pysubs2

from deployments.clipper.transcript.cues import Cue
from deployments.clipper.transcript.failures import TranscriptRefused, at_most

MAX_CUES = 50_000
_NEWLINES = re.compile(r"\n[ \t\f\v]*(?=\n)")  # a cue's blank lines, of which two are enough
_BLANK = re.compile(r"\\N(?:[ \t]*\\N)+")


def cues_of(text: str, kind: str) -> list[Cue]:
    """Raises TranscriptRefused: no cue in it, or too many."""
    tidy = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x0b", " ").replace("\x0c", " ")
    at_most("cues", tidy.count("-->"), MAX_CUES)
    try:
        events = pysubs2.SSAFile.from_string(_few_blank(tidy), format_=kind, keep_html_tags=True)
    except (pysubs2.exceptions.Pysubs2Error, ValueError, OverflowError) as error:
        raise TranscriptRefused(f"This is no {kind.upper()} file.") from error
    if not len(events) and _says_something(tidy):
        raise TranscriptRefused(f"No line with times was found in this {kind.upper()} file.")
    return [Cue(e.start / 1000, e.end / 1000, _payload(e.text, kind)) for e in events]


def _few_blank(text: str) -> str:
    """At most one blank line in a row: the parser's time grows with the square of their number."""
    return re.sub(r"\n{3,}", "\n\n", _NEWLINES.sub("\n", text))


def _payload(text: str, kind: str) -> str:
    """In WebVTT a blank line ends the cue; notes and names of cues may follow."""
    return _BLANK.split(text, maxsplit=1)[0] if kind == "vtt" else text


def _says_something(text: str) -> bool:
    return bool(text.strip().removeprefix("WEBVTT").strip())
