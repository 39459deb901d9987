"""PPTX: slides as pages, with titles, tables and the speaker's notes.

In: a PPTX whose directory was checked. Out: blocks; the shapes of a slide from top to bottom and
left to right, the title first. Shapes in groups are among them.
"""

from collections.abc import Iterator
from typing import Any

import pptx  # noqa: TID253 (runs as a child only)
from pptx.util import Emu  # noqa: TID253

from deployments.documents.reading.errors import DocumentDamaged, DocumentTooLarge
from deployments.documents.reading.part_files import PartFiles
from deployments.documents.reading.plain_blocks import pieces
from deployments.documents.reading.source import RULES, SourceFile

_GROUP = 6  # MSO_SHAPE_TYPE.GROUP
_MAX_DEPTH = 50
_FOOTERS = frozenset([13, 15, 16])  # placeholders of slide number, footer and date
_ROW = Emu(180_000)  # half a centimetre: shapes that begin within it are in one row


def read(source: SourceFile, parts: PartFiles) -> None:
    """Raises DocumentTooLarge, DocumentDamaged."""
    try:
        deck = pptx.Presentation(str(source.path))
    except Exception as error:
        if isinstance(error, MemoryError | RecursionError):
            raise
        raise DocumentDamaged("is a PPTX that is damaged") from error
    slides = len(deck.slides)
    if slides > source.max_pages:
        raise DocumentTooLarge("max_pages", source.max_pages, slides)
    size = (deck.slide_width or 1, deck.slide_height or 1)
    title = deck.core_properties.title or next(map(_title, deck.slides), "")
    parts.begin("pptx", slides, title, f"python-pptx {RULES}")
    for number, slide in enumerate(deck.slides, start=1):
        if number >= source.first_page:
            _read_slide(number, slide, size, parts)
        parts.end_page(number)


def _read_slide(number: int, slide: Any, size: tuple[int, int], parts: PartFiles) -> None:
    title = slide.shapes.title
    if text := _title(slide):
        parts.add(number, "heading", text, 1, _box(title, size))
    for shape in sorted(_shapes(slide.shapes), key=_place):
        if title is not None and shape.shape_id == title.shape_id:
            continue
        if getattr(shape, "has_table", False):
            rows = [[" ".join(cell.text.split()) for cell in row.cells] for row in shape.table.rows]
            text = "\n".join(["\t".join(row) for row in rows if any(row)])
            parts.add(number, "table", text, 0, _box(shape, size))
        elif shape.has_text_frame and not _is_footer(shape):
            _read_text(number, shape, size, parts)
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        for piece in pieces(slide.notes_slide.notes_text_frame.text):
            parts.add(number, "note", piece)


def _title(slide: Any) -> str:
    title = slide.shapes.title
    if title is None or not title.has_text_frame:
        return ""
    return " ".join(title.text_frame.text.split())


def _read_text(number: int, shape: Any, size: tuple[int, int], parts: PartFiles) -> None:
    lines = [paragraph.text.replace("\v", "\n") for paragraph in shape.text_frame.paragraphs]
    lines = [line for line in lines if line.strip()]
    kind = "list" if len(lines) > 1 else "text"
    for piece in pieces("\n".join(lines)):
        parts.add(number, "list" if kind == "list" else "text", piece, 0, _box(shape, size))


def _shapes(shapes: Any, depth: int = 0) -> Iterator[Any]:
    """Those in groups too. Raises DocumentTooLarge."""
    if depth > _MAX_DEPTH:
        raise DocumentTooLarge("nesting", _MAX_DEPTH)
    for shape in shapes:
        if shape.shape_type == _GROUP:
            yield from _shapes(shape.shapes, depth + 1)
        else:
            yield shape


def _place(shape: Any) -> tuple[int, int]:
    """Shapes that take their place from a layout have theirs from there."""
    return (shape.top or 0) // _ROW, shape.left or 0


def _is_footer(shape: Any) -> bool:
    return shape.is_placeholder and shape.placeholder_format.type in _FOOTERS


def _box(shape: Any, size: tuple[int, int]) -> tuple[float, ...]:
    values = (shape.left, shape.top, shape.width, shape.height)
    if any(value is None for value in values):
        return ()
    left, top, width, height = values
    box = (left / size[0], top / size[1], (left + width) / size[0], (top + height) / size[1])
    return tuple([round(min(1.0, max(0.0, value)), 4) for value in box])
