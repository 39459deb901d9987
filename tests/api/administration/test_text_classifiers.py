"""A tenant's text classifiers: trained on examples, named in analysis, never another tenant's. And
groups of texts, which take the same way."""

import json
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from deployments.ingress.schemas.classifiers import ClassifierCreate
from deployments.ingress.schemas.text_groups import GroupTextsRequest
from tests.api.administration.world import World

PATH, ANALYZE = "/api/v1/text/classifiers", "/api/v1/text/analyze"
FRUIT = {"plum": ["plump plum", "plum", "plums up", "plum pulp", "lump"], "fig": list("figsx")}


async def train(world: World, caller: str = "owner", **body: Any) -> httpx.Response:
    given = {"id": "fruit", "examples": FRUIT, **body}
    return await world.ask(caller, "POST", PATH, json=given)


async def classify(world: World, caller: str, text: str, **options: Any) -> httpx.Response:
    body = {
        "text": text,
        "operations": ["classification"],
        "options": {"classification": {"classifier": "fruit", **options}},
        "language": "en",
    }
    return await world.ask(caller, "POST", ANALYZE, json=body)


async def test_a_classifier_is_trained_and_used_by_its_name(world: World) -> None:
    made = await train(world, description="Which fruit")
    answer = await classify(world, "generate", "plum plum lump")

    assert made.status_code == 201, made.text
    assert made.json()["labels"] == ["plum", "fig"]
    assert (made.json()["version"], made.json()["examples"]) == (1, 10)
    result = answer.json()["results"]["classification"]
    assert (result["value"]["label"], result["by"]) == ("plum", "fruit@1")


async def test_each_training_is_a_version_that_takes_effect_at_once(world: World) -> None:
    await train(world, description="Which fruit")
    swapped = {"plum": FRUIT["fig"], "fig": FRUIT["plum"]}

    again = await world.ask("owner", "PUT", f"{PATH}/fruit", json={"examples": swapped})
    answer = await classify(world, "owner", "plum plum lump")

    assert (again.json()["version"], again.json()["description"]) == (2, "Which fruit")
    result = answer.json()["results"]["classification"]
    assert (result["value"]["label"], result["by"]) == ("fig", "fruit@2")


async def test_equal_names_of_two_tenants_never_meet(world: World) -> None:
    await train(world)
    assert (await classify(world, "stranger", "plum")).status_code == 404
    swapped = {"plum": FRUIT["fig"], "fig": FRUIT["plum"]}

    made = await train(world, "stranger", examples=swapped)
    mine, theirs = [
        (await classify(world, caller, "plum plum")).json()["results"]["classification"]["value"]
        for caller in ("owner", "stranger")
    ]
    gone = await world.ask("stranger", "DELETE", f"{PATH}/fruit")

    assert made.status_code == 201
    assert (mine["label"], theirs["label"]) == ("plum", "fig")
    assert gone.status_code == 204
    assert (await world.ask("owner", "GET", f"{PATH}/fruit")).status_code == 200
    listed = (await world.ask("stranger", "GET", PATH)).json()["data"]
    assert listed == []


async def test_a_deleted_classifier_is_not_found_by_its_field(world: World) -> None:
    await train(world)
    await world.ask("owner", "DELETE", f"{PATH}/fruit")

    answer = await classify(world, "owner", "plum")

    assert answer.status_code == 404
    assert answer.json()["param"] == "options.classification.classifier"


async def test_a_name_is_taken_once_before_anything_is_trained(world: World) -> None:
    await train(world)

    assert (await train(world)).status_code == 409


async def test_examples_are_in_no_row_and_no_answer(world: World) -> None:
    made = await train(world, examples={**FRUIT, "fig": [f"secret {at}" for at in range(5)]})

    shown = await world.ask("owner", "GET", f"{PATH}/fruit")

    assert "secret" not in made.text + shown.text
    stored = [path.read_bytes() for path in world.home.rglob("*.db*")]
    assert stored
    assert not any(b"secret 1" in content or b"plump" in content for content in stored)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"id": "Fruit"}, "id"),
    ({"id": "a" * 64}, "id"),
    ({"examples": {"plum": FRUIT["plum"]}}, "examples"),
    ({"examples": {**FRUIT, "fig": list("figs")}}, "examples"),
    ({"examples": {**FRUIT, "fig": ["fig"] * 5}}, "examples"),
    ({"examples": {**FRUIT, "fig": ["a\u001eb", *"igsx"]}}, "examples"),
    ({"examples": {**FRUIT, "fig": ["x" * 2_001, *"igsx"]}}, "examples"),
    ({"examples": {**FRUIT, "": list("figsx")}}, "examples"),
    ({"examples": {f"l{at}": ["y" * 1_999 + str(n) for n in range(9)] for at in range(9)}}, "exam"),
    ({"labels": ["plum"]}, "labels"),
]


@pytest.mark.parametrize(("body", "field"), WRONG)
def test_wrong_bodies_are_refused_by_their_field(body: dict[str, Any], field: str) -> None:
    given = {"id": "fruit", "examples": FRUIT, **body}

    with pytest.raises(ValidationError, match=field):
        ClassifierCreate.model_validate_json(json.dumps(given))


async def test_a_refused_body_names_its_field_and_is_422(world: World) -> None:
    answer = await train(world, examples={"plum": FRUIT["plum"]})

    assert answer.status_code == 422
    assert "2 to 32 labels" in answer.text


async def test_a_classifier_is_named_alone_and_no_caller_sends_a_head(world: World) -> None:
    for options in ({"labels": ["a", "b"]}, {"head": "AAAA"}, {"by": "x@1"}):
        answer = await classify(world, "owner", "plum", **options)

        assert answer.status_code == 400
        assert answer.json()["param"].startswith("options.classification")


async def test_texts_about_the_same_form_a_group(world: World) -> None:
    texts = ["plum plum pulp", "fig fig", "plump plums", "🎉", "fig figs"]
    body = {"texts": texts, "alike": 0.8, "language": "en"}

    answer = await world.ask("generate", "POST", "/api/v1/text/groups", json=body)

    groups = answer.json()["groups"]
    assert [group["texts"] for group in groups] == [[0, 2], [1, 4]]
    assert answer.json()["usage"]["characters"] == sum(map(len, texts))


@pytest.mark.parametrize(
    "texts", [["one"], ["a"] * 257, ["x" * 60_000] * 2, ["a", "b\u0000"], ["a", 3], "ab"]
)
def test_texts_that_cannot_be_grouped_are_refused(texts: object) -> None:
    with pytest.raises(ValidationError, match="texts"):
        GroupTextsRequest.model_validate_json(json.dumps({"texts": texts}))
