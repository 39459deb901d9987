"""PDFs of text, drawn line by line with pdfium.

In: lines and their places. Out: a PDF. Places are from the top left corner of the page as it is
shown, in points.
"""

import ctypes
import io
from typing import Any

WIDTH, HEIGHT = 595.0, 842.0


class PdfCanvas:
    def __init__(self) -> None:
        import pypdfium2

        self._document = pypdfium2.PdfDocument.new()
        self._page: Any = None
        self._turned = 0

    def new_page(self, turned: int = 0) -> None:
        """`turned`: drawn turned, with a page that turns it back by so many degrees."""
        self._finish()
        size = (HEIGHT, WIDTH) if turned in (90, 270) else (WIDTH, HEIGHT)
        self._page, self._turned = self._document.new_page(*size), turned
        if turned:
            self._page.set_rotation(turned)

    def text(self, left: float, top: float, text: str, size: float) -> None:
        import pypdfium2.raw as pdfium

        shown = pdfium.FPDFPageObj_NewTextObj(self._document.raw, b"Helvetica", size)
        encoded = f"{text}\0".encode("utf-16-le")
        letters = (ctypes.c_ushort * (len(encoded) // 2)).from_buffer_copy(encoded)
        pdfium.FPDFText_SetText(shown, letters)
        pdfium.FPDFPageObj_Transform(shown, *self._matrix(left, top + size))
        pdfium.FPDFPage_InsertObject(self._page.raw, shown)

    def content(self) -> bytes:
        self._finish()
        file = io.BytesIO()
        self._document.save(file)
        return file.getvalue()

    def _finish(self) -> None:
        if self._page is not None:
            self._page.gen_content()
            self._page.close()
        self._page = None

    def _matrix(self, left: float, baseline: float) -> tuple[float, ...]:
        match self._turned:
            case 90:
                return 0, 1, -1, 0, baseline, left
            case 180:
                return -1, 0, 0, -1, WIDTH - left, baseline
            case 270:
                return 0, -1, 1, 0, HEIGHT - baseline, WIDTH - left
            case _:
                return 1, 0, 0, 1, left, HEIGHT - baseline


def as_pictures(content: bytes, dots: int) -> bytes:
    """Each page as one picture of so many dots an inch."""
    import pypdfium2

    source, target = pypdfium2.PdfDocument(content), pypdfium2.PdfDocument.new()
    for page in source:
        width, height = page.get_size()
        picture = io.BytesIO()
        page.render(scale=dots / 72).to_pil().convert("L").save(picture, "JPEG", quality=85)
        image = pypdfium2.PdfImage.new(target)
        image.load_jpeg(picture)
        image.set_matrix(pypdfium2.PdfMatrix().scale(width, height))
        copy = target.new_page(width, height)
        copy.insert_obj(image)
        copy.gen_content()
    file = io.BytesIO()
    target.save(file)
    return file.getvalue()
