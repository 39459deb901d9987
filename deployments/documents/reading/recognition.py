"""Text in pictures of pages, by RapidOCR (the extra `ocr`), whose models come in its wheel.

In: a page as pixels, and its size in points. Out: lines with their places. About a second of CPU a
page.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from deployments.documents.reading.pdf_text import Segment

DOTS = 150  # an inch
INSTALL = "To read them, install the extra `ocr` of Mobula."
_POINTS = 72
_LEAST_SCORE = 0.5
_SETTINGS = {
    "Global.log_level": "critical",
    "Global.use_cls": False,  # pages are upright
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
}


def is_installed() -> bool:
    return find_spec("rapidocr") is not None


class TextRecognizer:
    """Loads its models when it is made."""

    def __init__(self) -> None:
        from rapidocr import RapidOCR

        self._engine = RapidOCR(params=_SETTINGS)

    def lines(self, page: Any) -> list[Segment]:
        """Of a page of pdfium's, as it is shown; from top to bottom."""
        scale = DOTS / _POINTS
        pixels = page.render(scale=scale, grayscale=False).to_numpy()
        height = page.get_height()
        found = self._engine(pixels)
        if found.boxes is None or found.txts is None:
            return []
        lines = [
            _segment(box, text, scale, height)
            for box, text, score in zip(found.boxes, found.txts, found.scores, strict=True)
            if score >= _LEAST_SCORE and text.strip()
        ]
        return _in_rows(lines)


def _in_rows(lines: list[Segment]) -> list[Segment]:
    """From top to bottom, and in a row from left to right."""
    rows: list[list[Segment]] = []
    for line in sorted(lines, key=lambda line: line.top + line.bottom):
        row = rows[-1] if rows else None
        if row is not None and line.top + line.bottom < 2 * row[0].bottom - 0.4 * row[0].size:
            row.append(line)
        else:
            rows.append([line])
    return [line for row in rows for line in sorted(row, key=lambda line: line.left)]


def _segment(box: Sequence[Sequence[float]], text: str, scale: float, height: float) -> Segment:
    """`box` has four corners in pixels."""
    across = [float(corner[0]) / scale for corner in box]
    down = [float(corner[1]) / scale for corner in box]
    left, right, top, bottom = min(across), max(across), min(down), max(down)
    raw = (left, height - top, right, height - bottom)
    return Segment(text, left, top, right, bottom, bottom - top, -1, raw)
