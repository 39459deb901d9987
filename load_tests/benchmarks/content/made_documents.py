"""Documents whose words are known, in every format that is read.

In: a seed and a number of pages. Out: pages of headings, paragraphs, lists and tables, and files
that say the same: PDF in one and two columns, drawn column by column or line by line, turned, or as
pictures; DOCX; PPTX with notes; HTML with a frame around it; Markdown; text.
"""

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from random import Random

from load_tests.benchmarks.content.pdf_canvas import PdfCanvas

_WORDS = (
    "market garden bridge coffee winter signal harvest museum railway journal compass lantern "
    "harbour village teacher engine forest meadow library quarter season thunder velvet window "
    "archive balance captain diamond economy fashion gallery heritage industry jewelry kitchen "
    "language machine network octagon painter quality republic science theatre umbrella victory "
    "weather yesterday zeppelin account between company different early follow general however "
    "important learn moment nothing option people question remember several together understand "
    "visitor without people café naïve façade Zürich jalapeño résumé measured prepared announced "
    "the a of to in and for with on by from at as is was were has had will would can could"
)
WORDS = tuple(_WORDS.split())
_TOKEN = re.compile(r"\w+")
_MARGIN, _BODY, _LEADING = 50.0, 10.5, 13.5


@dataclass(frozen=True, slots=True)
class MadePage:
    """In this order."""

    heading: str
    paragraphs: tuple[str, ...]
    items: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: str


def made_pages(pages: int, seed: int = 1, with_tables: bool = True) -> list[MadePage]:
    random = Random(seed)
    return [_page(random, number, with_tables) for number in range(1, pages + 1)]


def tokens(text: str) -> list[str]:
    return _TOKEN.findall(text.casefold())


def page_tokens(page: MadePage, with_notes: bool = False) -> list[str]:
    cells = [" ".join(row) for row in page.rows]
    notes = [page.notes] if with_notes else []
    return tokens("\n".join([page.heading, *page.paragraphs, *page.items, *cells, *notes]))


def _page(random: Random, number: int, with_tables: bool) -> MadePage:
    paragraphs = tuple([_paragraph(random) for _ in range(5)])
    items = tuple([_words(random, 4).capitalize() for _ in range(3)])
    rows: list[tuple[str, ...]] = []
    if with_tables:
        rows = [("Item", "Year", "Total")]
        rows += [
            (random.choice(WORDS), f"{random.randint(1900, 2026)}", f"{random.randint(10, 9_999)}")
            for _ in range(3)
        ]
    heading = f"Part {number} {_words(random, 3)}"
    return MadePage(heading, paragraphs, items, tuple(rows), _paragraph(random, 2))


def _paragraph(random: Random, sentences: int = 4) -> str:
    return " ".join(
        [f"{_words(random, random.randint(8, 14)).capitalize()}." for _ in range(sentences)]
    )


def _words(random: Random, count: int) -> str:
    return " ".join([random.choice(WORDS) for _ in range(count)])


def as_pdf(pages: list[MadePage]) -> bytes:
    canvas = PdfCanvas()
    for page in pages:
        canvas.new_page()
        _draw_column(canvas, page, _MARGIN, 85)
    return canvas.content()


def as_turned_pdf(pages: list[MadePage]) -> bytes:
    """Drawn upwards along the left edge, and shown upright; every second one upside down."""
    canvas = PdfCanvas()
    for number, page in enumerate(pages):
        canvas.new_page(turned=90 if number % 2 else 180)
        _draw_column(canvas, page, _MARGIN, 85)
    return canvas.content()


def as_columns_pdf(pages: list[MadePage], by_lines: bool = False) -> bytes:
    """In two columns below the heading; `by_lines`: drawn from the left to the right."""
    canvas = PdfCanvas()
    for page in pages:
        canvas.new_page()
        canvas.text(_MARGIN, 60, page.heading, 18)
        lines = [line for text in (*page.paragraphs, *page.items) for line in _wrapped(text, 40)]
        half = (len(lines) + 1) // 2
        placed = [
            [(_MARGIN + 260 * side, 90 + _LEADING * row, line) for row, line in enumerate(column)]
            for side, column in enumerate((lines[:half], lines[half:]))
        ]
        drawn = [each for column in placed for each in column]
        if by_lines:
            drawn.sort(key=lambda each: (each[1], each[0]))
        for left, top, line in drawn:
            canvas.text(left, top, line, _BODY)
    return canvas.content()


def _draw_column(canvas: PdfCanvas, page: MadePage, left: float, width: int) -> None:
    canvas.text(left, 60, page.heading, 18)
    top = 90.0
    for paragraph in page.paragraphs:
        for line in _wrapped(paragraph, width):
            canvas.text(left, top, line, _BODY)
            top += _LEADING
        top += 8
    for item in page.items:
        canvas.text(left, top, f"• {item}", _BODY)
        top += _LEADING
    top += 8
    for row in page.rows:
        for column, cell in enumerate(row):
            canvas.text(left + 120 * column, top, cell, _BODY)
        top += _LEADING


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` characters; long words are divided by hyphens."""
    lines, line = [], ""
    for word in text.split():
        candidate = f"{line} {word}".strip()
        if len(candidate) <= width:
            line = candidate
            continue
        room = width - len(line) - 2
        if len(word) >= 8 and room >= 4 and word.isalpha():
            lines.append(f"{line} {word[:4]}-".strip())
            line = word[4:]
        else:
            lines.append(line)
            line = word
    return [*lines, line]


def as_docx(pages: list[MadePage]) -> bytes:
    import docx

    document = docx.Document()
    for page in pages:
        document.add_heading(page.heading, 1)
        for paragraph in page.paragraphs:
            document.add_paragraph(paragraph)
        for item in page.items:
            document.add_paragraph(item, style="List Bullet")
        if page.rows:
            table = document.add_table(0, len(page.rows[0]))
            for row in page.rows:
                for cell, text in zip(table.add_row().cells, row, strict=True):
                    cell.text = text
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def as_pptx(pages: list[MadePage]) -> bytes:
    import pptx
    from pptx.util import Inches

    deck = pptx.Presentation()
    for page in pages:
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = page.heading
        slide.placeholders[1].text = "\n".join([*page.paragraphs, *page.items])
        if page.rows:
            size = (len(page.rows), len(page.rows[0]))
            frame = slide.shapes.add_table(*size, Inches(1), Inches(6), Inches(8), Inches(1))
            for row, cells in zip(frame.table.rows, page.rows, strict=True):
                for cell, text in zip(row.cells, cells, strict=True):
                    cell.text = text
        slide.notes_slide.notes_text_frame.text = page.notes
    file = io.BytesIO()
    deck.save(file)
    return file.getvalue()


def as_html(pages: list[MadePage]) -> bytes:
    """With what a site has around its content, none of which is asked for."""
    parts = [_HTML_BEFORE]
    for page in pages:
        parts.append(f"<h2>{escape(page.heading)}</h2>")
        parts += [f"<p>{_marked(escape(text))}</p>" for text in page.paragraphs]
        parts.append(
            "<ul>" + "".join([f"<li>{escape(item)}</li>" for item in page.items]) + "</ul>"
        )
        rows = ["".join([f"<td>{escape(cell)}</td>" for cell in row]) for row in page.rows]
        if rows:
            parts.append("<table>" + "".join([f"<tr>{row}</tr>" for row in rows]) + "</table>")
    return "".join([*parts, _HTML_AFTER]).encode()


def _marked(text: str) -> str:
    """One word in bold and one linked, as in pages that people write."""
    words = text.split(" ")
    words[1] = f"<b>{words[1]}</b>"
    words[3] = f'<a href="/x">{words[3]}</a>'
    return " ".join(words)


_HTML_BEFORE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Site</title>
<style>p { color: red }</style><script>var tracking = "on";</script></head><body>
<header class="site-header"><a href="/">Logotype</a><nav><ul><li><a href="/a">Products</a></li>
<li><a href="/b">Pricing</a></li></ul></nav></header>
<div class="cookie-consent"><p>We value your privacy.</p><button>Accept</button></div>
<div class="layout"><aside class="sidebar"><h3>Trending</h3><ul><li><a href="/t">Hot takes</a></li>
</ul></aside><div class="content">"""
_HTML_AFTER = """</div></div><div class="related-posts"><h3>Recommended</h3><a href="/r">More</a>
</div><form><input value="x"><label>Subscribe</label></form>
<footer><p>Copyright Example Corporation. All rights reserved.</p></footer></body></html>"""


def as_markdown(pages: list[MadePage]) -> bytes:
    parts = []
    for page in pages:
        parts.append(f"# {page.heading}")
        parts += [_emphasised(text) for text in page.paragraphs]
        parts.append("\n".join([f"- {item}" for item in page.items]))
        if page.rows:
            first, *others = [f"| {' | '.join(row)} |" for row in page.rows]
            parts.append("\n".join([first, "| --- | --- | --- |", *others]))
    return "\n\n".join(parts).encode()


def _emphasised(text: str) -> str:
    words = text.split(" ")
    words[1] = f"**{words[1]}**"
    words[3] = f"[{words[3]}](https://example.com/x)"
    return " ".join(words)


def as_text(pages: list[MadePage], encoding: str = "utf-8") -> bytes:
    parts = []
    for page in pages:
        rows = ["\t".join(row) for row in page.rows]
        parts += [page.heading, *page.paragraphs, "\n".join(page.items), "\n".join(rows)]
    return "\n\n".join([part for part in parts if part]).encode(encoding)


def as_scanned_pdf(pages: list[MadePage]) -> bytes:
    """The same as pictures of 150 dots an inch: nothing in it is text."""
    from load_tests.benchmarks.content.pdf_canvas import as_pictures

    return as_pictures(as_pdf(pages), dots=150)


MAKERS: Mapping[str, Callable[[list[MadePage]], bytes]] = {
    "pdf": as_pdf,
    "pdf in columns": as_columns_pdf,
    "pdf in columns by lines": lambda pages: as_columns_pdf(pages, by_lines=True),
    "pdf turned": as_turned_pdf,
    "docx": as_docx,
    "pptx": as_pptx,
    "html": as_html,
    "markdown": as_markdown,
    "text": as_text,
    "text in utf-16": lambda pages: as_text(pages, "utf-16"),
    "text in windows-1252": lambda pages: as_text(pages, "cp1252"),
}
"""Of one page, or of many; PDFs in columns have no tables."""
