"""The reading order of a page, and its paragraphs, headings and tables.

In: pieces of lines in the order in which they are drawn. Out: blocks. Columns are found by a gutter
with lines of words beside each other on both sides; lines that cross it divide the page into bands,
and in each band the left column is read before the right one. Within a column the
order of drawing is kept, unless it jumps about; then it is from top to bottom.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from deployments.contracts.documents import BlockKind
from deployments.documents.reading.pdf_text import HYPHENS, Segment

MAX_COLUMN_SEGMENTS = 5_000  # a page with more is read as it is drawn
_STEP = 2.0  # points; lines that begin within it begin at one place
_LEAST = 3  # lines in each column
_WORDS = 12  # characters of a column's lines at least, by the median; less is a table
_BULLETS = "•◦▪‣●○■–—*-·"
_ENDS = ".!?:;。！？"
_HEADING = 1.15  # times the height of the text
_MAX_HEADING = 200  # characters
_SAME = 0.12  # sizes that differ by less are one
_DIVIDERS = f"-{HYPHENS}"
_PITCH = 1.45  # heights of a line between lines of a paragraph


@dataclass(slots=True)
class LaidOutBlock:
    """`segments` are those it is made of; `is_divided`: its last word goes on elsewhere."""

    kind: BlockKind
    text: str
    size: float
    segments: list[Segment] = field(default_factory=list)
    is_divided: bool = False


def reading_order(segments: Sequence[Segment], right_to_left: bool = False) -> list[Segment]:
    if not 2 * _LEAST <= len(segments) <= MAX_COLUMN_SEGMENTS:
        return list(segments)
    gutter = _gutter(segments)
    if gutter is None:
        return _downwards(segments)
    found: list[Segment] = []
    crossing = [each for each in segments if each.left < gutter < each.right]
    edges = sorted({each.top for each in crossing})
    bands: list[list[Segment]] = [[] for _ in range(2 * len(edges) + 1)]
    for each in segments:
        below = sum(edge < each.top - 0.5 * each.size for edge in edges)
        is_edge = each.left < gutter < each.right
        at = 2 * edges.index(each.top) + 1 if is_edge else 2 * below
        bands[at].append(each)
    for number, band in enumerate(bands):
        if number % 2:
            found += band
            continue
        sides = [[each for each in band if each.right <= gutter]]
        sides.append([each for each in band if each.left >= gutter])
        for side in reversed(sides) if right_to_left else sides:
            found += reading_order(side, right_to_left)
    return found


def _gutter(segments: Sequence[Segment]) -> float | None:
    """The place of a gap between two columns, where most lines stand beside each other; None: there
    is one column. A right column begins where several of its lines do."""
    left, right = min(each.left for each in segments), max(each.right for each in segments)
    starts = Counter(round(each.left / _STEP) for each in segments)
    best: tuple[int, float] | None = None
    for start, lines in starts.items():
        gutter = start * _STEP - _STEP
        if lines < _LEAST or not 0.15 < (gutter - left) / max(1.0, right - left) < 0.85:
            continue
        score = _beside(segments, gutter)
        if score and (best is None or score > best[0]):
            best = score, gutter
    return None if best is None else best[1]


def _beside(segments: Sequence[Segment], gutter: float) -> int:
    """How many lines of words stand on the side with fewer, beside lines of the other; 0: these are
    no columns."""
    sides = [
        [each for each in segments if each.right <= gutter],
        [each for each in segments if each.left >= gutter],
    ]
    for side in sides:
        if len(side) < _LEAST or median(len(each.text) for each in side) < _WORDS:
            return 0
    top = max(min(each.top for each in side) for side in sides)
    bottom = min(max(each.bottom for each in side) for side in sides)
    beside = min(sum(top - each.size <= each.top <= bottom for each in side) for side in sides)
    return beside if beside >= _LEAST else 0


def _downwards(segments: Sequence[Segment]) -> list[Segment]:
    """In the order of drawing, unless a third of the steps go up."""
    steps = len(segments) - 1
    up = sum(after.top < before.top - before.size for before, after in pairwise(segments))
    if up * 3 < steps:
        return list(segments)
    height = max(1.0, median(each.size for each in segments))
    return sorted(segments, key=lambda each: (round(each.top / (0.6 * height)), each.left))


@dataclass(slots=True)
class _LineRow:
    """What stands on one line."""

    cells: list[Segment]

    @property
    def text(self) -> str:
        return "\t".join([cell.text for cell in self.cells])

    @property
    def size(self) -> float:
        return max(cell.size for cell in self.cells)

    @property
    def top(self) -> float:
        return self.cells[0].top

    @property
    def left(self) -> float:
        return self.cells[0].left

    @property
    def right(self) -> float:
        return self.cells[-1].right


def laid_out(segments: Sequence[Segment]) -> list[LaidOutBlock]:
    """Paragraphs and tables of a page in reading order."""
    rows = _rows(segments)
    pitch = _pitch(rows)
    blocks: list[LaidOutBlock] = []
    group: list[_LineRow] = []
    for row in rows:
        if group and _is_new(group, row, pitch):
            blocks.append(_block(group))
            group = []
        group.append(row)
    if group:
        blocks.append(_block(group))
    return _continued(blocks)


def _continued(blocks: Sequence[LaidOutBlock]) -> list[LaidOutBlock]:
    """A paragraph that goes on in the next column is one."""
    found: list[LaidOutBlock] = []
    for block in blocks:
        before = found[-1] if found else None
        if before is not None and _goes_on(before, block):
            divided = "-" if before.is_divided and before.text[-1:] != "-" else ""
            before.text = joined_lines([before.text + divided, block.text])
            before.is_divided = block.is_divided
            before.segments += block.segments
        else:
            found.append(block)
    return found


def _goes_on(before: LaidOutBlock, block: LaidOutBlock) -> bool:
    is_up = block.segments[0].top < before.segments[-1].top
    return (
        is_up
        and before.kind == block.kind == "text"
        and abs(before.size - block.size) <= _SAME * before.size
        and before.text[-1:] not in _ENDS
        and block.text[:1].islower()
    )


def _rows(segments: Sequence[Segment]) -> list[_LineRow]:
    rows: list[_LineRow] = []
    for each in segments:
        row = rows[-1] if rows else None
        if row is not None and abs(row.top - each.top) < 0.5 * each.size and each.left >= row.right:
            row.cells.append(each)
        else:
            rows.append(_LineRow([each]))
    return rows


def _pitch(rows: Sequence[_LineRow]) -> float:
    """The usual step from line to line, in heights of a line."""
    steps = [
        (after.top - before.top) / max(1.0, before.size)
        for before, after in pairwise(rows)
        if 0.5 < (after.top - before.top) / max(1.0, before.size) < 2.5
    ]
    return median(steps) if steps else 1.0


def _is_new(group: Sequence[_LineRow], row: _LineRow, pitch: float) -> bool:
    """Whether `row` begins another block."""
    before = group[-1]
    height = max(1.0, before.size)
    step = (row.top - before.top) / height
    if (
        step < 0.3
        or step > max(_PITCH, 1.3 * pitch)
        or abs(row.size - before.size) > _SAME * height
    ):
        return True
    is_table, was_table = len(row.cells) > 1, len(before.cells) > 1
    if is_table != was_table:
        return True
    if is_table:
        return False
    if row.text[:1] in _BULLETS and row.text[1:2] in ("", " ", "\t"):
        return not _is_item(group[0].text)
    if step > 1.15 * pitch:
        return True
    if row.left > before.left + 0.8 * height and not _is_item(group[0].text):
        return before.text[-1:] in _ENDS
    width = max(each.right for each in group) - min(each.left for each in group)
    return (
        len(group) > 1 and before.text[-1:] in _ENDS and before.right - before.left < 0.75 * width
    )


def _is_item(text: str) -> bool:
    return text[:1] in _BULLETS and text[1:2] in ("", " ", "\t")


def _block(group: Sequence[_LineRow]) -> LaidOutBlock:
    segments = [cell for row in group for cell in row.cells]
    size = max(row.size for row in group)
    if len(group) > 1 and all(len(row.cells) > 1 for row in group):
        return LaidOutBlock("table", "\n".join([row.text for row in group]), size, segments)
    if _is_item(group[0].text):
        return LaidOutBlock("list", _items(group), size, segments)
    text, is_divided = joined_lines([row.text for row in group]), group[-1].text[-1:] in _DIVIDERS
    return LaidOutBlock("text", text, size, segments, is_divided)


def _items(group: Sequence[_LineRow]) -> str:
    items: list[list[str]] = []
    for row in group:
        if _is_item(row.text):
            items.append([row.text[1:].strip()])
        else:
            items[-1].append(row.text)
    return "\n".join([joined_lines(lines) for lines in items])


def joined_lines(lines: Sequence[str]) -> str:
    """One paragraph; a word that is divided by a hyphen at the end of a line is one again."""
    text = ""
    for line in lines:
        line = line.strip()
        if not text:
            text = line
        elif text[-1] in HYPHENS or text[-1] == "-":
            text = text[:-1] + ("" if _is_divided(text, line) else "-") + line
        else:
            text += " " + line
    for hyphen in HYPHENS:
        text = text.replace(hyphen, "")
    return text


def _is_divided(text: str, line: str) -> bool:
    return text[-2:-1].isalpha() and line[:1].islower()


def is_heading(block: LaidOutBlock, body: float) -> bool:
    """By its size beside the text's."""
    return (
        block.kind == "text"
        and block.size >= _HEADING * body
        and len(block.text) <= _MAX_HEADING
        and any(character.isalpha() for character in block.text)
    )


def heading_level(size: float, body: float) -> int:
    """By its size beside the text's: it is the same for the same size on every page."""
    share = size / max(1.0, body)
    return 1 if share >= 1.75 else 2 if share >= 1.35 else 3
