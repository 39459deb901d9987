"""Which sentences an extractive answer quotes."""

from deployments.documents.citations import Passage
from deployments.documents.evidence import JudgedSource, Question, find_candidates, judge_by_words
from deployments.documents.model import StoredBlock
from deployments.ingress.operations.judged_passages import quoted_sentences

TEXT = (
    "In section 16 the branch in town number 16 sold 1016 bicycles during the year.\n"
    "In section 17 the branch in town number 17 sold 1017 bicycles during the year.\n"
    "In section 18 the branch in town number 18 sold 1018 bicycles during the year."
)
PASSAGE = Passage(1, "doc_a", "report", 1, 0, 0, 0, len(TEXT), TEXT)
BLOCKS = {("doc_a", 0): StoredBlock(0, 1, "text", TEXT)}


def quotes_of(text: str) -> list[str]:
    question = Question.of(text)
    judged = judge_by_words(question, find_candidates(question, [JudgedSource(TEXT)]))
    return [each.text for each in quoted_sentences(question, [PASSAGE], judged, BLOCKS)]


def test_a_further_sentence_has_the_names_and_numbers_that_the_first_one_has() -> None:
    [quote] = quotes_of("How many bicycles did the branch in town number 17 sell?")

    assert "1017 bicycles" in quote


def test_sentences_that_answer_alike_are_all_quoted() -> None:
    assert len(quotes_of("How many bicycles of the branch in the year?")) == 3
