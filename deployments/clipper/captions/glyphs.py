"""Glyphs: words in, those that the installed fonts can draw out.

Emoji and whole scripts without a font are left out of burnt-in captions (boxes would stand in their
place) and stay in the subtitle files; `unsupported_scripts` says which, so that a caller is told.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import replace

import regex

from deployments.clipper.captions.font import font_for, fonts
from deployments.clipper.captions.words import Piece, clean, clusters
from deployments.contracts.media import Transcript

_LETTER = regex.compile(r"\p{L}")


def drawable(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    """`pieces` without what no font draws; a piece of which nothing is left is dropped."""
    kept = (replace(piece, text=drawable_text(piece.text)) for piece in pieces)
    return tuple(piece for piece in kept if piece.text)


def drawable_text(text: str) -> str:
    """`text` without the visible characters that no font draws; an accent alone may be lost."""
    if font_for(text, fonts()):
        return text
    return "".join(filter(None, (_drawn(cluster) for cluster in clusters(text)))).strip()


def unsupported_scripts(transcript: Transcript) -> frozenset[str]:
    """The scripts of letters in `transcript` that burnt-in captions leave out, as Unicode names
    them ("Arabic", "Cjk", "Devanagari"); empty when every word can be drawn.
    """
    letters = {mark for word in transcript.words for mark in _LETTER.findall(clean(word.text))}
    known = fonts()
    return frozenset(
        unicodedata.name(letter, "UNKNOWN").split()[0].capitalize()
        for letter in letters
        if not font_for(letter, known)
    )


def why_left_out(transcript: Transcript) -> str:
    """A sentence for the caller when some words cannot be burnt in, else an empty string."""
    scripts = sorted(unsupported_scripts(transcript))
    if not scripts:
        return ""
    return (
        f"no installed font draws {', '.join(scripts)}: those words are in the SRT and VTT files "
        "only; a font file in the captions' font folder adds them"
    )


def _drawn(cluster: str) -> str:
    if font_for(cluster, fonts()):
        return cluster
    base = cluster[:1]
    return base if _LETTER.match(base) and font_for(base, fonts()) else ""
