"""Web pages and Markdown as blocks; what is said of a sender's format is only asked of texts."""

import pytest

from deployments.documents.reading.errors import DocumentRefused, DocumentTooLarge
from deployments.documents.reading.formats import signed_format, text_format
from deployments.documents.reading.html_blocks import html_blocks
from deployments.documents.reading.markdown_blocks import markdown_blocks
from deployments.documents.reading.plain_blocks import pieces

ARTICLE = "<p>" + "Words of an article that people came to read. " * 10 + "</p>"


@pytest.mark.parametrize(
    "frame",
    [
        "<nav><a href='/'>Frame</a></nav>",
        "<div class='sidebar'><p>Frame</p></div>",
        "<div id='cookie-banner'>Frame</div>",
        "<footer>Frame</footer>",
        "<div role='navigation'>Frame</div>",
        "<div style='display: none'>Frame</div>",
        "<p hidden>Frame</p>",
        "<script>Frame</script>",
        "<p><a href='/a'>Frame</a> | <a href='/b'>Frame</a></p>",
        "<form><button>Frame</button></form>",
    ],
)
def test_what_stands_around_an_article_is_dropped(frame: str) -> None:
    _, blocks = html_blocks(f"<html><body>{frame}<h1>Head</h1>{ARTICLE}{frame}</body></html>")
    assert [kind for kind, _, _ in blocks] == ["heading", "text"]


def test_a_page_that_is_all_frame_is_read_whole() -> None:
    page = "<html><body><div class='menu'><p>Soup</p><p>Bread and butter</p></div></body></html>"
    assert [text for _, text, _ in html_blocks(page)[1]] == ["Soup", "Bread and butter"]


def test_words_of_inline_elements_are_joined_and_those_of_blocks_are_not() -> None:
    _, blocks = html_blocks("<body><div>one<b>two</b> three<p>four</p>five<br>six</div></body>")
    assert [text for _, text, _ in blocks] == ["onetwo three", "four", "five six"]


def test_items_of_lists_in_lists_are_lines_once() -> None:
    _, blocks = html_blocks("<body><ul><li>a<ul><li>b</li></ul></li><li>c</li></ul></body>")
    assert blocks == [("list", "a\nb\nc", 0)]


def test_deep_elements_are_refused() -> None:
    for depth in (1_000, 100_000):
        with pytest.raises(DocumentTooLarge):
            html_blocks("<body>" + "<div>" * depth + "x")


def test_markdown_is_what_its_reader_sees() -> None:
    source = (
        "# One *two*\nText **bold** `a_b_c` and [link](http://x).\n\n"
        "1. first\n2. second\n   goes on\n\n"
        "| a | b |\n|:--|--:|\n| 1 \\| 2 | 3 |\n\n"
        "Under\n-----\n```py\n# no heading\n```\n> said"
    )
    assert markdown_blocks(source) == [
        ("heading", "One two", 1),
        ("text", "Text bold a_b_c and link.", 0),
        ("list", "first\nsecond goes on", 0),
        ("table", "a\tb\n1 | 2\t3", 0),
        ("heading", "Under", 2),
        ("text", "# no heading", 0),
        ("text", "said", 0),
    ]


def test_hostile_markdown_takes_no_square_of_its_length() -> None:
    for source in ("*" * 200_000, "[" * 200_000, "<" * 200_000, "`" * 200_000, "|-" * 100_000):
        assert len(markdown_blocks(source)) <= 1


@pytest.mark.parametrize(
    ("name", "media_type", "format"),
    [
        ("a.md", "", "markdown"),
        ("a", "text/markdown; charset=utf-8", "markdown"),
        ("a.htm", "", "html"),
        ("a.pdf", "application/pdf", "text"),
        ("", "", "text"),
    ],
)
def test_a_sender_decides_between_texts(name: str, media_type: str, format: str) -> None:
    assert signed_format(b"words") == "text"
    assert text_format(b"words", name, media_type) == format


def test_a_page_is_html_whatever_its_sender_says() -> None:
    assert text_format(b"\n<!DOCTYPE html><p>x", "a.txt", "text/plain") == "html"


@pytest.mark.parametrize("head", [b"{\\rtf1", b"\x1f\x8b\x08", b"\0\0\0\x20ftypmp42", b"\x7fELF"])
def test_other_files_are_refused_by_what_they_are(head: bytes) -> None:
    with pytest.raises(DocumentRefused, match="documents are PDF, DOCX"):
        signed_format(head)


def test_pieces_of_a_long_block_have_all_of_it() -> None:
    text = "word " * 1_000
    assert "".join(pieces(text, 300)) == text
    assert max(map(len, pieces("x" * 1_000, 300))) == 300
