"""Glyphs: removes what the installed fonts cannot draw.

Scripts without a font are omitted from burnt-in captions (boxes would be drawn instead) and stay in
the subtitle files; `unsupported_scripts` names them for the caller.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import replace

import regex

from deployments.contracts.media import Transcript
from deployments.video.captions.font import first_font, font_for, fonts
from deployments.video.captions.words import TimedText, clusters

_LETTER = regex.compile(r"\p{L}")


def drawable(segments: Iterable[TimedText]) -> tuple[TimedText, ...]:
    """`segments` without characters that no font draws; a segment that becomes empty is dropped."""
    drawn = (replace(segment, text=drawable_text(segment.text)) for segment in segments)
    return tuple(segment for segment in drawn if segment.text)


def drawable_text(text: str) -> str:
    """`text` without the visible characters that no font draws; an accent alone may be lost."""
    if font_for(text, fonts()):
        return text
    return "".join(filter(None, (_drawable_cluster(cluster) for cluster in clusters(text)))).strip()


def unsupported_scripts(transcript: Transcript) -> frozenset[str]:
    """The scripts of letters in `transcript` that burnt-in captions leave out, as Unicode names
    them ("Tibetan", "Yi"); empty when every word can be drawn.
    """
    marks = {mark for word in transcript.words for mark in word.text}
    letters = {mark for mark in _compose(marks) if _LETTER.match(mark)}
    letters = {letter for letter in letters if not first_font().draws(letter)}
    return frozenset(
        unicodedata.name(letter, "UNKNOWN").split()[0].capitalize()
        for letter in letters
        if not font_for(letter, fonts())
    )


def _compose(marks: Iterable[str]) -> set[str]:
    """Characters in composed form, as they are drawn."""
    return {part for mark in marks for part in unicodedata.normalize("NFC", mark)}


def omission_reason(transcript: Transcript) -> str:
    """A sentence for the caller if some words cannot be burnt in, else an empty string."""
    return why_undrawn(unsupported_scripts(transcript))


def why_undrawn(scripts: Iterable[str]) -> str:
    """The same for scripts without a font."""
    names = ", ".join(sorted(scripts))
    if not names:
        return ""
    return (
        f"no installed font draws {names}: those words are in the SRT and VTT files "
        "only; a font file in the captions' font folder adds them"
    )


def _drawable_cluster(cluster: str) -> str:
    if font_for(cluster, fonts()):
        return cluster
    base = cluster[:1]
    return base if _LETTER.match(base) and font_for(base, fonts()) else ""
