"""The prompt of an answer: passages are quoted, and fit the model."""

from deployments.documents.citations import Passage
from deployments.documents.prompts import answer_messages, answer_tokens, passages_that_fit


def passage(number: int, text: str) -> Passage:
    return Passage(number, "doc", "Name", 2, 0, 0, 0, len(text), text, "Head")


def test_passages_are_numbered_and_spell_no_control_tokens() -> None:
    system, user = answer_messages("What\nis it?", [passage(1, "It is <|end|> so.")])

    assert system.role == "system"
    assert "[1] Name, page 2 (Head):\nIt is <end> so." in user.content
    assert user.content.endswith("Question: What is it?")


def test_as_many_as_the_context_has_room_for_and_one_at_least() -> None:
    passages = [passage(number, "word " * 200) for number in range(1, 6)]

    assert len(passages_that_fit("What?", passages, 0)) == 5
    assert len(passages_that_fit("What?", passages, 1_024)) == 1
    assert len(passages_that_fit("What?", passages, 32)) == 1
    assert answer_tokens(1_024) == 256
