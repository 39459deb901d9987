"""The shape of a style's sentence bank."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bank:
    """`hooks` open a text and name the topic, `lines` carry it on, `asks` are questions."""

    hooks: tuple[str, ...]
    lines: tuple[str, ...]
    asks: tuple[str, ...]
