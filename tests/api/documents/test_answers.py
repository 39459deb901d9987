"""`/api/v1/documents/ask`: every quote is verbatim, what is not there is not answered."""

import asyncio
import json

import pytest

from tests.api.documents.documents_world import (
    MANUAL,
    THEIRS,
    DocumentsWorld,
)
from tests.api.fakes import WordsModel

WARRANTY = "How many years is the warranty of the Falcon X200?"
FACT = "The Falcon X200 comes with a warranty of five years."


def says(model: WordsModel, text: str) -> None:
    model.words = text.split()


async def test_an_extractive_answer_quotes_a_block_word_for_word(world: DocumentsWorld) -> None:
    id = (await world.added())["id"]

    answer = await world.question(WARRANTY)
    assert (answer["http"], answer["found"], answer["method"]) == (200, True, "extractive")
    assert answer["answer"] == f"{FACT[:-1]} [1]."
    [citation] = answer["citations"]
    assert (citation["document"], citation["quote"], citation["page"]) == (id, FACT, 1)
    blocks = (await world.ask("GET", f"/{id}/blocks")).json()["data"]
    text = blocks[citation["block"]]["text"]
    assert text[citation["start"] : citation["end"]] == citation["quote"]


@pytest.mark.parametrize(
    "question",
    ["How many years is the warranty of the Kestrel Q9?", "Who painted the ceiling of the chapel?"],
)
async def test_what_is_not_there_is_refused_without_a_call_of_a_model(
    world: DocumentsWorld, model: WordsModel, question: str
) -> None:
    await world.added()

    answer = await world.question(question, method="model", model="words")
    assert (answer["found"], answer["citations"]) == (False, [])
    assert answer["answer"] == "The answer is not in these documents."
    assert answer["reason"]
    assert model.requests == []


async def test_without_documents_nothing_is_found(world: DocumentsWorld) -> None:
    answer = await world.question(WARRANTY)

    assert (answer["http"], answer["found"], answer["sources"]) == (200, False, [])


@pytest.mark.usefixtures("roomy")
async def test_a_models_true_marks_stay_and_false_ones_go(
    world: DocumentsWorld, model: WordsModel
) -> None:
    await world.added()
    says(
        model,
        "The Falcon X200 has a warranty of five years [1]. It was founded in 1990 "
        "[1]. It is good. The warranty of the Falcon X200 is nine years [1].",
    )

    answer = await world.question(WARRANTY, method="model", model="words")
    assert (answer["found"], answer["method"], answer["by"]) == (True, "model", "words")
    assert [(each["cited"], each["marks"], each["removed"]) for each in answer["sentences"]] == [
        (True, [1], []),
        (False, [], [1]),
        (False, [], []),
        (False, [], [1]),
    ]
    assert answer["answer"].startswith("The Falcon X200 has a warranty of five years [1].")
    assert [citation["quote"] for citation in answer["citations"]] == [FACT]


@pytest.mark.usefixtures("roomy")
async def test_a_models_answer_without_a_true_mark_gives_way_to_quotes(
    world: DocumentsWorld, model: WordsModel
) -> None:
    await world.added()
    says(model, "Nine years, as everybody knows [1].")

    answer = await world.question(WARRANTY, method="model", model="words")
    assert (answer["method"], answer["found"]) == ("extractive", True)
    assert answer["fallback"] == "Model 'words' wrote nothing that the passages say."
    assert [citation["quote"] for citation in answer["citations"]] == [FACT]


async def test_a_model_without_room_for_a_passage_gives_way_to_quotes(
    world: DocumentsWorld,
) -> None:
    await world.added()

    answer = await world.question(WARRANTY, method="model", model="words")
    assert (answer["method"], answer["found"]) == ("extractive", True)
    assert answer["fallback"] == "Model 'words' has no room for a passage."


@pytest.mark.usefixtures("roomy")
async def test_a_model_that_says_so_finds_nothing(world: DocumentsWorld, model: WordsModel) -> None:
    await world.added()
    says(model, "NOT IN THE PASSAGES")

    answer = await world.question(WARRANTY, method="model", model="words")
    assert (answer["found"], answer["sentences"]) == (False, [])


async def test_a_model_with_little_context_is_asked_only_on_demand(
    world: DocumentsWorld, model: WordsModel
) -> None:
    await world.added()

    answer = await world.question(WARRANTY)
    assert (answer["method"], model.requests) == ("extractive", [])


@pytest.mark.usefixtures("roomy")
async def test_answers_stream_sentence_by_sentence(
    world: DocumentsWorld, model: WordsModel
) -> None:
    await world.added()
    says(
        model,
        "The Falcon X200 has a warranty of five years [1]. It weighs 14 kilograms [1].",
    )

    body = {"question": WARRANTY, "method": "model", "model": "words", "stream": True}
    answer = await world.ask("POST", "/ask", json=body)
    names = [line[7:] for line in answer.text.splitlines() if line.startswith("event: ")]
    data = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    assert names == ["started", "sources", "sentence", "sentence", "completed"]
    assert data[2]["text"] == "The Falcon X200 has a warranty of five years."
    assert data[-1]["found"]


async def test_another_tenants_documents_are_never_asked(world: DocumentsWorld) -> None:
    id = (await world.added())["id"]

    theirs = await world.question(WARRANTY, THEIRS)
    named = await world.question(WARRANTY, THEIRS, documents=[id])
    assert (theirs["found"], named["http"]) == (False, 404)


async def test_a_question_waits_for_a_document_and_is_refused_at_its_deadline(
    world: DocumentsWorld,
) -> None:
    world.reader.hold = asyncio.Event()
    sent = await world.send("\f".join(f"{MANUAL} {page}" for page in range(30)))
    id = sent.json()["id"]

    body = {"question": WARRANTY, "documents": [id]}
    refused = await world.ask("POST", "/ask", json=body, headers={"Mobula-Timeout": "1.2"})
    waiting = asyncio.create_task(world.question(WARRANTY, documents=[id]))
    world.reader.hold.set()
    world.reader.hold = None
    assert (refused.status_code, refused.json()["document"]) == (409, id)
    assert refused.headers["retry-after"] == "2"
    assert (await waiting)["found"]


async def test_a_failed_document_says_why(world: DocumentsWorld) -> None:
    id = (await world.send("BROKEN" + "x" * 10 + "\f" * 40)).json().get("id")
    assert id is None  # it is read at once

    missing = await world.question(WARRANTY, documents=["doc_0"])
    assert missing["http"] == 404


async def test_a_summary_has_the_places_of_its_sentences(world: DocumentsWorld) -> None:
    id = (await world.added())["id"]

    answer = await world.ask("POST", f"/{id}/summary", json={"sentences": 2})
    summary = answer.json()
    blocks = (await world.ask("GET", f"/{id}/blocks")).json()["data"]
    assert (answer.status_code, summary["method"], len(summary["citations"])) == (
        200, "extractive", 2,
    )  # fmt: skip
    for citation in summary["citations"]:
        text = blocks[citation["block"]]["text"]
        assert text[citation["start"] : citation["end"]] == citation["quote"]
        assert citation["quote"] in summary["text"]


@pytest.mark.usefixtures("roomy")
async def test_a_caption_from_documents_has_citations(
    world: DocumentsWorld, model: WordsModel
) -> None:
    id = (await world.added())["id"]
    says(model, "The Falcon X200 has a warranty of five years! It is the best.")

    async def write(**source: object) -> dict[str, object]:
        from tests.api.documents.documents_world import OURS
        from tests.api.web import client_of

        async with client_of(world.app, OURS) as client:
            body = {"topic": "warranty of the Falcon X200", "hashtags": 0, **source}
            answer = await client.post("/api/v1/captions", json=body)
        found: dict[str, object] = answer.json()
        return found

    plain, cited = await write(), await write(documents=[id])
    prompt = model.requests[-1].messages[-1].content
    assert FACT in prompt
    assert plain["variants"][0].get("citations") is None  # type: ignore[index]
    [citation] = cited["variants"][0]["citations"]  # type: ignore[index]
    assert (citation["document"], citation["quote"]) == (id, FACT)
