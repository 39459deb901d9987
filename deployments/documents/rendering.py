"""What a document says, as one text: plain, or as Markdown.

In: blocks. Out: a text. Pages are told apart in neither form: `GET .../blocks` has them.
"""

from collections.abc import Iterable, Iterator
from typing import Literal

from deployments.documents.model import StoredBlock

TextFormat = Literal["text", "markdown"]
_BETWEEN = "\n\n"


def render(blocks: Iterable[StoredBlock], form: TextFormat) -> Iterator[str]:
    """Piece by piece; joined they are the text."""
    is_first = True
    for block in blocks:
        if not is_first:
            yield _BETWEEN
        is_first = False
        yield block.text if form == "text" else _markdown(block)


def _markdown(block: StoredBlock) -> str:
    if block.kind == "heading":
        return f"{'#' * max(1, min(block.level, 6))} {' '.join(block.text.split())}"
    if block.kind == "table":
        return _table(block.text)
    if block.kind == "list":
        return "\n".join(f"- {line}" for line in block.text.splitlines() if line.strip())
    if block.kind == "note":
        return "\n".join(f"> {line}" for line in block.text.splitlines())
    return block.text


def _table(text: str) -> str:
    """Its first row is the head."""
    rows = [
        [cell.strip().replace("|", "\\|") for cell in line.split("\t")]
        for line in text.splitlines()
    ]
    width = max(map(len, rows), default=0)
    lines = [f"| {' | '.join([*row, *[''] * (width - len(row))])} |" for row in rows]
    return "\n".join([*lines[:1], "|" + " --- |" * width, *lines[1:]])
