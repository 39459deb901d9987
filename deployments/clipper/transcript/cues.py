"""Cues: what a transcript's formats have in common, before words are made of them."""

from dataclasses import dataclass

from deployments.contracts.media import Seconds


@dataclass(frozen=True, slots=True)
class Spoken:
    """A word as the source has it; None: it does not say when."""

    text: str
    start: Seconds | None = None
    end: Seconds | None = None


@dataclass(frozen=True, slots=True)
class Cue:
    """A line of a transcript. `words` are given by some sources, and then say what `text` does."""

    start: Seconds
    end: Seconds
    text: str
    words: tuple[Spoken, ...] = ()
