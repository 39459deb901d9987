"""DOCX: paragraphs, headings by style, lists and tables in order, with footnotes at the end.

In: a DOCX whose directory was checked. Out: blocks. The format has no pages: what breaks pages is
the program that shows it.
"""

import re
from collections.abc import Iterator
from typing import Any

import docx  # noqa: TID253 (runs as a child only)
from docx.oxml.ns import qn  # noqa: TID253
from docx.table import Table  # noqa: TID253
from docx.text.paragraph import Paragraph  # noqa: TID253

from deployments.documents.reading.errors import DocumentDamaged
from deployments.documents.reading.part_files import PartFiles
from deployments.documents.reading.plain_blocks import pieces
from deployments.documents.reading.source import RULES, SourceFile

_HEADING = re.compile(r"heading (\d)", re.IGNORECASE)
_TITLES = {"title": 1, "subtitle": 2}
_TEXT, _TAB, _BREAK, _DELETED = qn("w:t"), qn("w:tab"), qn("w:br"), qn("w:del")
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_FOOTNOTES = "/footnotes"
_SPECIAL = qn("w:type")  # of the separators among footnotes


def read(source: SourceFile, parts: PartFiles) -> None:
    """Raises DocumentTooLarge, DocumentDamaged."""
    try:
        document = docx.Document(str(source.path))
    except Exception as error:
        if isinstance(error, MemoryError | RecursionError):
            raise
        raise DocumentDamaged("is a DOCX that is damaged") from error
    title = document.core_properties.title or _first_heading(document)
    parts.begin("docx", 1, title, f"python-docx {RULES}")
    writer = _Writer(parts)
    for block in document.iter_inner_content():
        writer.add(block)
    writer.end()
    for text in _footnotes(document):
        parts.add(1, "note", text)
    parts.end_page(1)


def _first_heading(document: Any) -> str:
    headings = (each for each in document.paragraphs if each.text.strip() and _level(each) == 1)
    first = next(headings, None)
    return "" if first is None else paragraph_text(first._p)


class _Writer:
    """Items of a list that follow each other are one block."""

    def __init__(self, parts: PartFiles) -> None:
        self._parts = parts
        self._items: list[str] = []

    def add(self, block: Paragraph | Table) -> None:
        if isinstance(block, Table):
            self.end()
            self._add("table", table_text(block))
            return
        text = paragraph_text(block._p)
        if not text.strip():
            return
        level = _level(block)
        if level:
            self.end()
            self._parts.add(1, "heading", " ".join(text.split()), level)
        elif _is_item(block):
            self._items.append(text)
        else:
            self.end()
            self._add("text", text)

    def end(self) -> None:
        if self._items:
            self._add("list", "\n".join(self._items))
        self._items = []

    def _add(self, kind: Any, text: str) -> None:
        for piece in pieces(text):
            self._parts.add(1, kind, piece)


def paragraph_text(element: Any) -> str:
    """What is seen: deleted text and the fallbacks of drawings are left out."""
    found = []
    for node in element.iter(_TEXT, _TAB, _BREAK):
        if node.tag == _TEXT:
            if not _is_hidden(node, element):
                found.append(node.text or "")
        elif node.getparent().tag != qn("w:tabs"):
            found.append("\t" if node.tag == _TAB else "\n")
    return "".join(found)


def _is_hidden(node: Any, top: Any) -> bool:
    node = node.getparent()
    while node is not None and node is not top:
        if node.tag in (_DELETED, _FALLBACK):
            return True
        node = node.getparent()
    return False


def table_text(table: Table) -> str:
    """A line for each row; merged cells once."""
    rows = []
    for row in table._tbl.tr_lst:
        cells = [" ".join(paragraph_text(cell).split()) for cell in row.tc_lst]
        if any(cells):
            rows.append("\t".join(cells))
    return "\n".join(rows)


def _level(paragraph: Paragraph) -> int:
    """Of a heading, from 1 to 6; 0: it is none."""
    style = paragraph.style
    for _ in range(5):  # styles that are based on a heading's
        name = "" if style is None else (style.name or "")
        if match := _HEADING.match(name):
            return max(1, min(6, int(match.group(1))))
        if name.lower() in _TITLES:
            return _TITLES[name.lower()]
        style = getattr(style, "base_style", None)
        if style is None:
            return 0
    return 0


def _is_item(paragraph: Paragraph) -> bool:
    properties = paragraph._p.pPr
    if properties is not None and properties.numPr is not None:
        return True
    style = paragraph.style
    return style is not None and (style.name or "").lower().startswith("list ")


def _footnotes(document: Any) -> Iterator[str]:
    from docx.oxml.parser import parse_xml

    for relation in document.part.rels.values():
        if relation.is_external or not relation.reltype.endswith(_FOOTNOTES):
            continue
        for note in parse_xml(relation.target_part.blob).iter(qn("w:footnote")):
            if note.get(_SPECIAL) is None:
                yield " ".join(paragraph_text(note).split())
