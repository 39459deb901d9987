"""Citations of files: sentences of an answer that passages say, and no others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.vector_stores.passages import FileCitation, FilePassage, find_citations

WARRANTY = FilePassage(
    "file-w", "warranty.pdf", 0.9, "The Falcon X200 has a warranty of 24 months. Keep the receipt."
)
RETURNS = FilePassage(
    "file-r", "returns.md", 0.7, "Returns are accepted within 30 days. Shipping is paid by us."
)
PASSAGES = (WARRANTY, RETURNS)


def cited(answer: str) -> list[tuple[str, str]]:
    """Each file with the end of the text that cites it."""
    found = find_citations(answer, PASSAGES)
    return [(each.file, answer[: each.index][-12:]) for each in found]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(
            "The Falcon X200 has a warranty of 24 months [1].", ["file-w"], id="before the stop"
        ),
        pytest.param(
            "The Falcon X200 has a warranty of 24 months. [1]", ["file-w"], id="behind the stop"
        ),
        pytest.param("The warranty lasts 36 months [1].", [], id="another number"),
        pytest.param("Returns take 30 days [1].", [], id="another passage says it"),
        pytest.param(
            "The Falcon X200 has a warranty of 24 months.", ["file-w"], id="without a mark"
        ),
        pytest.param("It is a fine machine.", [], id="nobody says it"),
        pytest.param("Returns are accepted within 30 days [7].", ["file-r"], id="no such passage"),
        pytest.param(
            "The Falcon X200 has a warranty of 24 months [1, 2].", ["file-w"], id="one of two"
        ),
        pytest.param("", [], id="nothing"),
        pytest.param("[1][2]", [], id="marks alone"),
    ],
)
def test_a_sentence_cites_what_says_it(answer: str, expected: list[str]) -> None:
    assert [file for file, _ in cited(answer)] == expected


def test_citations_stand_at_the_ends_of_their_sentences() -> None:
    answer = "The Falcon X200 has a warranty of 24 months [1]. Returns are accepted within 30 days."

    assert find_citations(answer, PASSAGES) == [
        FileCitation("file-w", "warranty.pdf", answer.index("]") + 2),
        FileCitation("file-r", "returns.md", len(answer)),
    ]


def test_a_line_of_its_own_keeps_its_mark() -> None:
    answer = (
        "The Falcon X200 has a warranty of 24 months.\n[2] Returns are accepted within 30 days."
    )

    assert [file for file, _ in cited(answer)] == ["file-w", "file-r"]


def test_a_file_is_cited_once_at_a_sentence() -> None:
    again = FilePassage("file-w", "warranty.pdf", 0.5, WARRANTY.text)

    found = find_citations("A warranty of 24 months [1][2].", (WARRANTY, again))

    assert [each.file for each in found] == ["file-w"]


@given(st.text(max_size=200))
def test_any_answer_has_citations_inside_of_it(answer: str) -> None:
    for citation in find_citations(answer, PASSAGES):
        assert 0 < citation.index <= len(answer)
