"""What a parser of documents is given: a file, and how to read it."""

from dataclasses import dataclass
from pathlib import Path

RULES = "reading@1"  # the version of the rules here, which answers name


@dataclass(frozen=True, slots=True)
class SourceFile:
    """`first_page`: blocks of earlier pages are not wanted. `ocr`: pages of pictures are
    recognised, where that is installed."""

    path: Path
    password: str = ""
    ocr: bool = False
    first_page: int = 1
    max_pages: int = 5_000
