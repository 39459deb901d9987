"""What is made of blocks: a text, Markdown, a digest."""

from deployments.documents.digest import MAX_CHARACTERS, digest_of
from deployments.documents.model import StoredBlock
from deployments.documents.rendering import render

BLOCKS = (
    StoredBlock(0, 1, "heading", "A\nhead", 2),
    StoredBlock(1, 1, "text", "Some text."),
    StoredBlock(2, 1, "list", "one\ntwo"),
    StoredBlock(3, 2, "table", "a\tb|c\n1"),
    StoredBlock(4, 2, "note", "Say hello."),
)


def test_a_text_has_the_blocks_with_a_blank_line_between_them() -> None:
    assert "".join(render(BLOCKS[:3], "text")) == "A\nhead\n\nSome text.\n\none\ntwo"


def test_markdown_marks_headings_lists_tables_and_notes() -> None:
    assert "".join(render(BLOCKS, "markdown")).split("\n\n") == [
        "## A head",
        "Some text.",
        "- one\n- two",
        "| a | b\\|c |\n| --- | --- |\n| 1 |  |",
        "> Say hello.",
    ]


def test_a_short_document_is_its_own_digest() -> None:
    digest = digest_of(BLOCKS)

    assert digest.text == "Some text.\n\none\ntwo\n\nSay hello."
    assert digest.block_at(digest.text.index("two")).number == 2
    assert digest.block_at(len(digest.text) - 1).number == 4


def test_a_long_one_has_the_beginnings_of_paragraphs_from_all_over() -> None:
    blocks = [
        StoredBlock(number, number, "text", f"Paragraph {number} begins here and so on. " * 20)
        for number in range(2_000)
    ]
    digest = digest_of(blocks)

    assert len(digest.text) <= MAX_CHARACTERS
    assert digest.blocks[0].number == 0
    assert digest.blocks[-1].number > 1_900
    place = digest.text.index("Paragraph 1000 begins") if "Paragraph 1000 " in digest.text else 0
    assert digest.text[place:].startswith("Paragraph")
