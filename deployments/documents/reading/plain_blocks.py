"""Texts: blocks end at blank lines."""

import re

from deployments.documents.reading.decoding import decoded_text
from deployments.documents.reading.part_files import PartFiles
from deployments.documents.reading.source import RULES, SourceFile

MAX_BLOCK = 8_000  # characters; a longer one is cut at a line or a blank
_BLANK = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")


def read(source: SourceFile, parts: PartFiles) -> None:
    """Raises DocumentTooLarge."""
    text, encoding = decoded_text(source.path.read_bytes())
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n\n")
    parts.begin("text", 1, "", f"text/{encoding} {RULES}")
    for paragraph in _BLANK.split(text):
        for piece in pieces(paragraph):
            parts.add(1, "text", piece)
    parts.end_page(1)


def pieces(text: str, limit: int = MAX_BLOCK) -> list[str]:
    """`text` in pieces of at most `limit` characters, cut at lines, else at blanks, else anywhere;
    joined they have every character but the blanks at the cuts."""
    found = []
    start = 0
    while len(text) - start > limit:
        end = start + limit
        for separator in ("\n", " "):
            at = text.rfind(separator, start + limit // 2, end)
            if at > 0:
                end = at + 1
                break
        found.append(text[start:end])
        start = end
    found.append(text[start:])
    return found
