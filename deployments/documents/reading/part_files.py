"""What a child has read, as files for its parent: one for each part, announced by a line.

In: blocks in order. Out: `part-N.json` in the working folder, and on stdout the line
`part N` once it is complete. Parts end with pages, except those of a document of
one page. The parent takes nothing in them on trust.
"""

import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from deployments.contracts.documents import BlockKind
from deployments.documents.reading.errors import DocumentTooLarge

PAGES_A_PART = 20
CHARACTERS_A_PART = 200_000
PART_S = 1.0
ANNOUNCED = "part "


def part_name(number: int) -> str:
    return f"part-{number}.json"


class PartFiles:
    """Writes into the current folder. `end_page` as soon as a page is read; `end` at the end."""

    def __init__(self, max_characters: int, first_page: int = 1) -> None:
        self._left = self._max = max_characters
        self._first = first_page
        self._number = 0
        self._has_one_page = False
        self._facts: dict[str, Any] | None = None
        self._blocks: list[tuple[Any, ...]] = []
        self._notes: list[str] = []
        self._characters = 0
        self._pages_done, self._pages_written = 0, 0
        self._written_at = time.monotonic()

    def begin(self, format: str, pages: int, title: str, by: str) -> None:
        """Facts are written at once: who waits for them can reserve."""
        self._has_one_page = pages == 1
        self._facts = {
            "format": format,
            "pages": pages,
            "title": " ".join(title.split())[:1_000],
            "by": by,
        }
        self._write()

    def add(
        self,
        page: int,
        kind: BlockKind,
        text: str,
        level: int = 0,
        box: tuple[float, ...] = (),
    ) -> None:
        """Blocks without words are left out. Raises DocumentTooLarge."""
        text = clean_text(text)
        if not text:
            return
        self._left -= len(text)
        if self._left < 0:
            raise DocumentTooLarge("max_characters", self._max)
        self._characters += len(text)
        if page >= self._first:
            self._blocks.append((page, kind, text, level, box))
            if self._has_one_page and self._characters >= CHARACTERS_A_PART:
                self._write()

    def note(self, text: str) -> None:
        """What could not be read."""
        self._notes.append(text)

    def end_page(self, page: int) -> None:
        """`page`, and all before it, are read."""
        self._pages_done = page
        is_due = (
            page - self._pages_written >= PAGES_A_PART
            or self._characters >= CHARACTERS_A_PART
            or time.monotonic() - self._written_at >= PART_S
        )
        if is_due and page >= self._first:
            self._write()

    def end(self) -> None:
        if self._blocks or self._notes or self._pages_done > self._pages_written:
            self._write()

    def _write(self) -> None:
        self._number += 1
        part = {
            "facts": self._facts,
            "blocks": self._blocks,
            "pages_done": self._pages_done,
            "notes": self._notes,
        }
        Path(part_name(self._number)).write_bytes(msgspec.json.encode(part))
        sys.stdout.write(f"{ANNOUNCED}{self._number}\n")
        sys.stdout.flush()
        self._facts, self._blocks, self._notes, self._characters = None, [], [], 0
        self._pages_written, self._written_at = self._pages_done, time.monotonic()


_DROPPED = dict.fromkeys((*range(9), 11, 12, *range(14, 32), *range(127, 160), 65279, 65534)) | {
    0xFFFF: None,
    0x00AD: None,
    0x00A0: " ",
    0x2028: "\n",
    0x2029: "\n",
    0x200B: None,
}


def clean_text(text: str) -> str:
    """Without control characters, lone surrogates, soft hyphens and blanks at ends of lines."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_DROPPED)
    text = text.encode("utf-8", "ignore").decode()
    return "\n".join(line.strip(" \t") for line in text.split("\n")).strip("\n")
