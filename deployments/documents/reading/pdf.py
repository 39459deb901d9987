"""PDF: the text of each page in reading order, by pdfium.

In: a PDF, perhaps with a password. Out: blocks page by page. Pages of pictures, and those whose
fonts do not say which characters they draw, are recognised where OCR is installed, else named in a
note.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median, median_low
from typing import Any

import pypdfium2  # noqa: TID253 (runs as a child only)
import pypdfium2.raw as pdfium  # noqa: TID253

from deployments.documents.reading.errors import (
    DocumentDamaged,
    DocumentLocked,
    DocumentTooLarge,
)
from deployments.documents.reading.part_files import PartFiles
from deployments.documents.reading.pdf_layout import (
    LaidOutBlock,
    heading_level,
    is_heading,
    laid_out,
    reading_order,
)
from deployments.documents.reading.pdf_text import PageText, TextOfPage
from deployments.documents.reading.plain_blocks import pieces
from deployments.documents.reading.recognition import INSTALL, TextRecognizer, is_installed
from deployments.documents.reading.source import RULES, SourceFile

FEW_CHARACTERS = 20  # of a page of pictures
MAX_UNMAPPED = 0.3  # share of characters without a meaning
MAX_LISTED = 20  # pages in a note
_UNEVEN = 1.2  # heights of recognised lines of one size differ by as much
_BOLD_CHARACTERS = 100  # of a heading in the size of the text
_BY = f"pdfium {pypdfium2.PDFIUM_INFO.build} {RULES}"
_ERRORS = {
    pdfium.FPDF_ERR_PASSWORD: "password",
    pdfium.FPDF_ERR_SECURITY: "security",
}


def read(source: SourceFile, parts: PartFiles) -> None:
    """Raises DocumentDamaged, DocumentLocked, DocumentTooLarge."""
    with _opened(source) as document:
        pages = len(document)
        if pages == 0:
            raise DocumentDamaged("has no pages")
        if pages > source.max_pages:
            raise DocumentTooLarge("max_pages", source.max_pages, pages)
        title = document.get_metadata_value("Title") or _first_heading(document)
        parts.begin("pdf", pages, title, _BY)
        reading = _PageReader(document, source, parts)
        for number in range(source.first_page, pages + 1):
            reading.read_page(number)
            parts.end_page(number)
        reading.end()


def _first_heading(document: pypdfium2.PdfDocument) -> str:
    """The largest of the first page."""
    try:
        page = document[0]
    except pypdfium2.PdfiumError:
        return ""
    text = page.get_textpage()
    try:
        blocks = laid_out(reading_order(TextOfPage(text.raw).read().segments))
    finally:
        text.close()
        page.close()
    sizes = [block.size for block in blocks for _ in range(len(block.text))]
    headings = [block for block in blocks if is_heading(block, median_low(sizes))]
    return max(headings, key=lambda block: block.size).text if headings else ""


@contextmanager
def _opened(source: SourceFile) -> Iterator[pypdfium2.PdfDocument]:
    try:
        document = pypdfium2.PdfDocument(str(source.path), password=source.password or None)
    except pypdfium2.PdfiumError as error:
        raise _refusal(error, source.password) from error
    try:
        yield document
    finally:
        document.close()


def _refusal(error: pypdfium2.PdfiumError, password: str) -> DocumentDamaged | DocumentLocked:
    kind = _ERRORS.get(getattr(error, "err_code", None))
    if kind == "password" and password:
        return DocumentLocked("is encrypted, and the password is wrong")
    if kind == "password":
        return DocumentLocked()
    if kind == "security":
        return DocumentLocked("is encrypted in a way that is not read")
    return DocumentDamaged("is a PDF that is damaged or cut off")


class _PageReader:
    """Of the pages of one document, in order."""

    def __init__(
        self, document: pypdfium2.PdfDocument, source: SourceFile, parts: PartFiles
    ) -> None:
        self._document, self._source, self._parts = document, source, parts
        self._sizes: Counter[float] = Counter()
        self._unread: list[int] = []
        self._recognised: list[int] = []
        self._recognizer: TextRecognizer | None = None
        self._broken = 0

    def read_page(self, number: int) -> None:
        try:
            page = self._document[number - 1]
        except pypdfium2.PdfiumError:
            self._broken += 1
            self._unread.append(number)
            return
        try:
            text = page.get_textpage()
            try:
                self._read_text(number, page, TextOfPage(text.raw))
            finally:
                text.close()
        finally:
            page.close()

    def end(self) -> None:
        """Notes what could not be read. Raises DocumentDamaged if that is each page."""
        if self._broken and self._broken == len(self._document) - self._source.first_page + 1:
            raise DocumentDamaged("is a PDF whose pages are damaged")
        if self._unread:
            hint = "" if is_installed() else f" {INSTALL}"
            self._parts.note(f"Pages without text that can be read: {_listed(self._unread)}.{hint}")
        if self._recognised:
            self._parts.note(f"Pages whose text was recognised: {_listed(self._recognised)}.")

    def _read_text(self, number: int, page: pypdfium2.PdfPage, text: TextOfPage) -> None:
        found = text.read()
        if _needs_recognition(found, page):
            self._recognise(number, page)
            return
        for segment in found.segments:
            self._sizes[round(segment.size, 1)] += len(segment.text)
        body = self._sizes.most_common(1)[0][0] if self._sizes else 1.0
        place = _PagePlace(page)
        for block in laid_out(reading_order(found.segments)):
            self._add(number, block, body, text, place)

    def _recognise(self, number: int, page: pypdfium2.PdfPage) -> None:
        if not (self._source.ocr and is_installed()):
            self._unread.append(number)
            return
        if self._recognizer is None:
            self._recognizer = TextRecognizer()
        lines = self._recognizer.lines(page)
        if not lines:
            self._unread.append(number)
            return
        self._recognised.append(number)
        body = _UNEVEN * median(line.size for line in lines)
        for block in laid_out(reading_order(lines)):
            self._add(number, block, body, None, _PagePlace(page, is_shown=True))

    def _add(
        self,
        number: int,
        block: LaidOutBlock,
        body: float,
        text: TextOfPage | None,
        place: "_PagePlace",
    ) -> None:
        box = place.box(block)
        if is_heading(block, body):
            self._parts.add(number, "heading", block.text, heading_level(block.size, body), box)
        elif text is not None and _may_be_heading(block) and text.is_bold(block.segments[0]):
            self._parts.add(number, "heading", block.text, 4, box)
        else:
            for piece in pieces(block.text):
                self._parts.add(number, block.kind, piece, 0, box)


def _listed(pages: list[int]) -> str:
    shown = ", ".join(map(str, pages[:MAX_LISTED]))
    more = len(pages) - MAX_LISTED
    return f"{shown} and {more} more" if more > 0 else shown


def _may_be_heading(block: LaidOutBlock) -> bool:
    return (
        block.kind == "text"
        and len(block.segments) == 1
        and len(block.text) <= _BOLD_CHARACTERS
        and block.text[-1:] not in (".", ",", ";", ":")
        and block.text[:1].isalnum()
    )


def _needs_recognition(found: PageText, page: pypdfium2.PdfPage) -> bool:
    if found.characters < FEW_CHARACTERS:
        images = page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=3)
        return next(iter(images), None) is not None
    return found.unmapped > MAX_UNMAPPED


class _PagePlace:
    """Places on a page as it is shown, in parts of its width and height. `is_shown`: the places
    are already those of the page as it is shown."""

    def __init__(self, page: Any, is_shown: bool = False) -> None:
        if is_shown:
            self._left = self._bottom = 0.0
            self._rotation = 0
            self._width, self._height = page.get_size()
            return
        left, bottom, right, top = page.get_bbox()
        self._left, self._bottom = left, bottom
        self._width, self._height = max(1.0, right - left), max(1.0, top - bottom)
        self._rotation = page.get_rotation()

    def box(self, block: LaidOutBlock) -> tuple[float, ...]:
        raws = [segment.raw for segment in block.segments]
        left = (min(raw[0] for raw in raws) - self._left) / self._width
        right = (max(raw[2] for raw in raws) - self._left) / self._width
        top = 1 - (max(raw[1] for raw in raws) - self._bottom) / self._height
        bottom = 1 - (min(raw[3] for raw in raws) - self._bottom) / self._height
        match self._rotation:
            case 90:
                box = (1 - bottom, left, 1 - top, right)
            case 180:
                box = (1 - right, 1 - bottom, 1 - left, 1 - top)
            case 270:
                box = (top, 1 - right, bottom, 1 - left)
            case _:
                box = (left, top, right, bottom)
        return tuple([round(min(1.0, max(0.0, value)), 4) for value in box])
