"""Documents of every format are read as they were written. The child's code runs in this process;
what confines it is tested in tests/contract/documents."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deployments.documents.reading import pdf
from deployments.documents.reading.pdf_text import Segment
from deployments.documents.reading.worker import read_document
from load_tests.benchmarks.content.bad_documents import ZOO
from load_tests.benchmarks.content.made_documents import (
    MAKERS,
    as_docx,
    as_pdf,
    as_pptx,
    as_scanned_pdf,
    made_pages,
    page_tokens,
    tokens,
)
from load_tests.benchmarks.content.raw_pdf import pdf_of_empty_pages, pdf_of_text
from load_tests.benchmarks.content.reading_scores import score_reading

CONFINED_ONLY = {  # what takes long, or whose problem pdfium has from the document before
    "a page of 40 MB",
    "a DOCX bomb",
    "a DOCX of 250 MB",
    "a text that is too long",
    "no pages",
    "20,000 entries",
}
Read = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    monkeypatch.chdir(tmp_path)

    def parts(content: bytes, name: str = "a", **changes: Any) -> list[dict[str, Any]]:
        """What the child wrote; a problem is the only part."""
        for old in tmp_path.iterdir():
            old.unlink()
        tmp_path.joinpath("source").write_bytes(content)
        request = {
            "source": "source",
            "name": name,
            "media_type": "",
            "password": "",
            "ocr": False,
            "first_page": 1,
            "max_pages": 5_000,
            "max_characters": 1_000_000,
        }
        answer = read_document(request | changes)
        if answer:
            return [answer]
        files = sorted(tmp_path.glob("part-*"), key=lambda path: int(path.stem[5:]))
        return [json.loads(file.read_bytes()) for file in files]

    return parts


def blocks_of(parts: list[dict[str, Any]]) -> list[tuple[str, str, int]]:
    return [(kind, text, level) for part in parts for _, kind, text, level, _ in part["blocks"]]


@pytest.mark.parametrize("kind", MAKERS)
def test_words_are_read_in_their_order(read: Read, kind: str) -> None:
    pages = made_pages(4, with_tables="columns" not in kind)
    written = [word for page in pages for word in page_tokens(page, with_notes=kind == "pptx")]
    parts = read(MAKERS[kind](pages), "a.md" if kind == "markdown" else "a")
    found = [word for _, text, _ in blocks_of(parts) for word in tokens(text)]
    assert score_reading(written, found).worst >= 0.995


@pytest.mark.parametrize("kind", ["pdf", "pdf turned", "docx", "pptx", "html", "markdown"])
def test_headings_and_tables_are_known(read: Read, kind: str) -> None:
    [page] = made_pages(1)
    blocks = blocks_of(read(MAKERS[kind]([page]), "a.md" if kind == "markdown" else "a"))
    assert [text for kind, text, _ in blocks if kind == "heading"] == [page.heading]
    assert ("table", "\n".join(["\t".join(row) for row in page.rows]), 0) in blocks


@pytest.mark.parametrize("kind", ["pdf", "docx", "pptx", "markdown"])
def test_a_document_without_a_title_has_its_first_heading(read: Read, kind: str) -> None:
    pages = made_pages(2)
    parts = read(MAKERS[kind](pages), "a.md" if kind == "markdown" else "a")
    assert parts[0]["facts"]["title"] == pages[0].heading


def test_items_of_a_list_are_lines_of_one_block(read: Read) -> None:
    [page] = made_pages(1)
    items = ("list", "\n".join(page.items), 0)
    for kind in ("pdf", "docx", "html", "markdown"):
        assert items in blocks_of(read(MAKERS[kind]([page]), "a.md" if kind == "markdown" else "a"))


def test_a_block_says_where_on_the_page_it_stands(read: Read) -> None:
    upright = read(as_pdf(made_pages(1)))
    turned = read(MAKERS["pdf turned"](made_pages(1)))
    boxes = [
        [block[4] for part in parts for block in part["blocks"]] for parts in (upright, turned)
    ]
    assert boxes[0] == boxes[1]
    left, top, right, bottom = boxes[0][0]
    assert 0.05 < left < right < 0.95
    assert 0.05 < top < bottom < 0.12


def test_notes_of_speakers_are_blocks_of_their_slide(read: Read) -> None:
    pages = made_pages(2)
    parts = read(as_pptx(pages))
    notes = [block for part in parts for block in part["blocks"] if block[1] == "note"]
    assert [(note[0], note[2]) for note in notes] == [(1, pages[0].notes), (2, pages[1].notes)]


def test_facts_come_before_blocks_and_pages_are_counted(read: Read) -> None:
    first, *others = read(as_pdf(made_pages(45)))
    assert first["facts"]["pages"] == 45
    assert first["facts"]["format"] == "pdf"
    assert first["blocks"] == []
    assert [part["pages_done"] for part in others][-1] == 45
    for part, done in zip(others, [0, *[part["pages_done"] for part in others]], strict=False):
        assert {block[0] for block in part["blocks"]} == set(
            range(done + 1, part["pages_done"] + 1)
        )


def test_reading_goes_on_at_a_page(read: Read) -> None:
    parts = read(as_pdf(made_pages(5)), first_page=4)
    assert [block[0] for part in parts for block in part["blocks"] if block[1] == "heading"] == [
        4,
        5,
    ]


def test_a_page_of_pictures_is_named(read: Read) -> None:
    parts = read(as_scanned_pdf(made_pages(1)))
    assert blocks_of(parts) == []
    [note] = parts[-1]["notes"]
    assert note.startswith("Pages without text that can be read: 1.")


def test_a_page_of_pictures_is_recognised_where_that_is_installed(
    read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With lines of a recognizer; the real one is an extra."""

    class Recognizer:
        def lines(self, page: Any) -> list[Segment]:
            return [_line(0, "Words of a pic-"), _line(1, "ture."), _line(4, "Others")]

    monkeypatch.setattr(pdf, "is_installed", lambda: True)
    monkeypatch.setattr(pdf, "TextRecognizer", Recognizer)
    parts = read(as_scanned_pdf(made_pages(1)), ocr=True)
    assert [text for _, text, _ in blocks_of(parts)] == ["Words of a picture.", "Others"]
    assert parts[-1]["notes"] == ["Pages whose text was recognised: 1."]
    assert read(as_scanned_pdf(made_pages(1)), ocr=False)[-1]["blocks"] == []


def _line(row: int, text: str) -> Segment:
    top = 100.0 + 14 * row
    return Segment(text, 50, top, 300, top + 12, 12, -1, (50, 842 - top, 300, 830 - top))


def test_an_empty_page_is_no_page_of_pictures(read: Read) -> None:
    assert read(pdf_of_empty_pages(2))[-1]["notes"] == []


def test_words_divided_at_the_ends_of_lines_are_one(read: Read) -> None:
    [(_, text, _)] = blocks_of(
        read(pdf_of_text("the won-", "derful state-", "of the art 2020-", "2021 x"))
    )
    assert text == "the wonderful stateof the art 2020-2021 x"


def test_limits_are_named(read: Read) -> None:
    [answer] = read(pdf_of_empty_pages(3), max_pages=2)
    assert answer["problem"]["field"] == "max_pages"
    [answer] = read(as_docx(made_pages(1)), max_characters=100)
    assert answer["problem"]["field"] == "max_characters"


@pytest.mark.parametrize("name", [name for name in ZOO if name not in CONFINED_ONLY])
def test_a_bad_document_is_refused_by_name(read: Read, name: str) -> None:
    bad = ZOO[name]
    parts = read(bad.make(), bad.name, password=bad.password)
    if bad.refusal is None:
        assert bad.words in "\n".join([text for _, text, _ in blocks_of(parts)])
    else:
        [answer] = parts
        assert answer["problem"]["kind"] == bad.refusal.__name__
        assert bad.words in answer["problem"]["detail"]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Grüße aus Köln", "cp1252"),
        ("Zażółć gęślą jaźń, dziękuję bardzo", "cp1250"),
        ("Привет, это простой текст", "cp1251"),
        ("これは日本語のテキストです。", "shift_jis"),
        ("A café", "utf-16-le"),
    ],
)
def test_texts_are_decoded(read: Read, text: str, encoding: str) -> None:
    written = " ".join([text] * 30)
    assert blocks_of(read(written.encode(encoding), "a.txt")) == [("text", written, 0)]
