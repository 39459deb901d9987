"""`/api/v1/templates`: made, compared, rendered, rolled back, tested."""

from typing import Any

import pytest
from sqlalchemy import insert, select, text

from cluster.runtime.problems import RateLimited
from cluster.storage.tables import templates
from cluster.templates.model import TemplateLimits
from deployments.contracts.generation import Message
from tests.api.administration.world import World
from tests.api.fakes import WordsModel
from tests.api.templates.making import REPLY, TEMPLATES, TOPIC, activate, add_version, make

WORDS = {"expect": {"contains": ["two"], "max_tokens": 3}}
WRONG = {"name": "wrong", "expect": {"equals": "four"}}


async def test_a_template_is_made_listed_shown_changed_and_deleted(world: World) -> None:
    made = await world.ask("owner", "POST", TEMPLATES, json=REPLY)
    listed = (await world.ask("viewer", "GET", TEMPLATES)).json()
    patch = {"description": "Replies", "examples": [WORDS], "require_tests": True}
    changed = await world.ask("owner", "PATCH", f"{TEMPLATES}/reply", json=patch)
    shown = (await world.ask("viewer", "GET", f"{TEMPLATES}/reply")).json()
    gone = await world.ask("owner", "DELETE", f"{TEMPLATES}/reply")

    assert (made.status_code, made.json()["active"], made.json()["latest"]) == (201, None, 1)
    assert [each["id"] for each in listed["data"]] == ["greeting", "reply"]
    assert changed.status_code == 200
    assert (shown["description"], shown["examples"], shown["require_tests"]) == (
        "Replies", [WORDS], True,
    )  # fmt: skip
    assert gone.status_code == 204
    assert (await world.ask("viewer", "GET", f"{TEMPLATES}/reply")).status_code == 404


async def test_a_listing_has_pages(world: World) -> None:
    longest = "a" * 64
    await make(world, **(TOPIC | {"id": longest}))

    first = (await world.ask("viewer", "GET", f"{TEMPLATES}?limit=1")).json()
    rest = await world.ask("viewer", "GET", f"{TEMPLATES}?limit=1&cursor={first['next_cursor']}")
    versions = (await world.ask("viewer", "GET", f"{TEMPLATES}/greeting/versions?limit=2")).json()

    assert [each["id"] for each in first["data"]] == [longest]
    assert [each["id"] for each in rest.json()["data"]] == ["greeting"]
    assert [each["version"] for each in versions["data"]] == [3, 2]
    assert versions["next_cursor"] == "2"


@pytest.mark.parametrize(
    ("template", "status", "param"),
    [
        pytest.param({"text": "{{ x }}"}, 400, "text", id="not-declared"),
        pytest.param({"text": "{{ x.y }}", "variables": {"x": {}}}, 400, "text", id="attribute"),
        pytest.param(
            {"messages": [{"role": "user", "content": "{% set x = 1 %}"}]},
            400,
            "messages.0.content",
            id="code",
        ),
        pytest.param({"text": "a", "variables": {"x": {}}}, 400, "variables.x", id="not-used"),
        pytest.param({"text": "a", "id": "UPPER"}, 422, "id", id="id"),
        pytest.param({}, 422, None, id="nothing"),
        pytest.param({"text": "a", "template": "b"}, 422, "template", id="unknown-field"),
        pytest.param(
            {"text": "{{ x }}", "variables": {"x": {"type": "date"}}}, 422, "variables.x.type",
            id="type",
        ),
        pytest.param(
            {"text": "{{ x }}", "variables": {"x": {"pattern": "("}}}, 422, "variables.x",
            id="pattern",
        ),
        pytest.param(
            {"text": "a", "defaults": {"response_format": {"type": "xml"}}}, 422, None, id="format"
        ),
        pytest.param(
            {"text": "a", "examples": [{"expect": {"matches": "("}}]}, 422, "examples.0.expect",
            id="example",
        ),
    ],
)  # fmt: skip
async def test_what_is_no_template_is_refused_by_name(
    world: World, template: dict[str, Any], status: int, param: str | None
) -> None:
    answer = await world.ask("owner", "POST", TEMPLATES, json={"id": "new", **template})

    assert (answer.status_code, answer.json().get("param")) == (status, param), answer.text


async def test_a_taken_id_and_a_base_that_is_not_the_last_are_conflicts(world: World) -> None:
    taken = await world.ask("owner", "POST", TEMPLATES, json=TOPIC | {"id": "greeting"})
    version = {"text": "Tea", "base": 1}
    late = await world.ask("owner", "POST", f"{TEMPLATES}/greeting/versions", json=version)

    assert (taken.status_code, late.status_code) == (409, 409)


async def test_two_versions_are_compared(world: World) -> None:
    await make(world, **TOPIC)
    await add_version(
        world, "topic", text="Write about\n{{ product }}, {{ tone }}",
        variables={"product": {"max_length": 9}, "tone": {}},
    )  # fmt: skip

    found = (await world.ask("viewer", "GET", f"{TEMPLATES}/topic/diff?from=1&to=2")).json()

    assert found["diff"].splitlines()[:2] == ["--- topic@1", "+++ topic@2"]
    assert "+{{ product }}, {{ tone }}" in found["diff"]
    assert [(each["field"], each["before"], each["after"]) for each in found["changes"]] == [
        ("variables.product", {}, {"max_length": 9}),
        ("variables.tone", None, {}),
        ("defaults.model", "words", None),
    ]


async def test_a_version_is_rendered_without_a_model(world: World, model: WordsModel) -> None:
    await make(world, **REPLY)
    path = f"{TEMPLATES}/reply/render"

    found = await world.ask("viewer", "POST", path, json={"variables": {"name": "Ada"}})
    missing = await world.ask("viewer", "POST", path, json={"version": 1})

    assert found.json() == {
        "template": "reply",
        "version": 1,
        "messages": [
            {"role": "system", "content": "You write for Acme."},
            {"role": "user", "content": "Answer Ada."},
        ],
        "text": None,
    }
    assert (missing.status_code, missing.json()["param"]) == (400, "variables.name")
    assert model.requests == []


async def test_a_rollback_repoints_the_label(world: World) -> None:
    back = await world.ask("owner", "POST", f"{TEMPLATES}/greeting/rollback", json={})
    draft = await world.ask("owner", "POST", f"{TEMPLATES}/greeting/rollback", json={"version": 3})

    assert back.json() == {
        "template": "greeting", "label": "production", "version": 1, "previous": 2,
    }  # fmt: skip
    assert (draft.status_code, draft.json()["param"]) == (409, "version")


async def test_examples_are_tried_with_a_model_and_reported_one_by_one(
    world: World, model: WordsModel
) -> None:
    await make(world, **REPLY)
    examples = [
        {**WORDS, "name": "right", "variables": {"name": "Ada"}, "input": "Well?"},
        {**WRONG, "variables": {"name": "Bo"}},
        {**WRONG, "variables": {}},
    ]
    await world.ask("owner", "PATCH", f"{TEMPLATES}/reply", json={"examples": examples})

    report = (await world.ask("developer", "POST", f"{TEMPLATES}/reply/test", json={})).json()

    assert (report["passed"], report["failed"], report["recorded"]) == (1, 2, True)
    assert [each["status"] for each in report["results"]] == ["passed", "failed", "error"]
    assert report["results"][0]["output"] == "one two three"
    assert report["results"][1]["failures"] == [
        {"expectation": "equals", "detail": "the output is another text"}
    ]
    assert report["results"][2]["error"]["param"] == "examples.2.variables.name"
    asked = {request.messages[1:] for request in model.requests}
    assert asked == {
        (Message("user", "Answer Ada."), Message("user", "Well?")),
        (Message("user", "Answer Bo."),),
    }
    assert {request.sampling.temperature for request in model.requests} == {0.25}


async def test_a_text_is_tried_as_a_prompt_with_temperature_0(
    world: World, model: WordsModel
) -> None:
    await make(world, **TOPIC)
    body = {"examples": [{**WORDS, "variables": {"product": "tea"}}]}

    report = (await world.ask("developer", "POST", f"{TEMPLATES}/topic/test", json=body)).json()

    assert (report["passed"], report["recorded"]) == (1, False)
    assert (model.requests[0].prompt, model.requests[0].sampling.temperature) == (
        "Write about tea", 0.0,
    )  # fmt: skip


async def test_a_version_is_activated_once_it_has_passed(world: World) -> None:
    template = {**TOPIC, "text": "Tea", "variables": {}, "require_tests": True, "examples": [WRONG]}
    await world.ask("owner", "POST", TEMPLATES, json=template)
    path, one = f"{TEMPLATES}/topic", {"version": 1}

    untested = await world.ask("owner", "POST", f"{path}/activate", json=one)
    await world.ask("owner", "POST", f"{path}/test", json=one)
    failed = await world.ask("owner", "POST", f"{path}/activate", json=one)
    await world.ask("owner", "PATCH", path, json={"examples": [WORDS]})
    report = (await world.ask("owner", "POST", f"{path}/test", json=one)).json()
    await activate(world, "topic", 1)

    assert (untested.status_code, failed.status_code) == (409, 409)
    assert untested.json()["type"].endswith("template-not-tested")
    assert report["passed"] == 1
    assert (await world.ask("viewer", "GET", f"{path}/versions/1")).json()["passed"] is True


async def test_each_example_is_admitted_and_recorded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make(world, **TOPIC)
    body = {"examples": [{**WORDS, "variables": {"product": "tea"}}] * 2}
    limiter, admitted = world.services.admission.limiter, []
    original = limiter.admit

    async def admit(tenant: str, plan: Any, request_class: Any, *more: Any) -> Any:
        admitted.append(str(request_class))
        if admitted.count("generate") > 1:
            raise RateLimited("Enough.", limit="requests", retry_after_s=1.0)
        return await original(tenant, plan, request_class, *more)

    monkeypatch.setattr(limiter, "admit", admit)
    report = (await world.ask("developer", "POST", f"{TEMPLATES}/topic/test", json=body)).json()

    assert [each["status"] for each in report["results"]] == ["passed", "error"]
    assert report["results"][1]["error"]["status"] == 429
    assert admitted.count("generate") == 2
    await world.trail.flush()
    async with world.database.read() as connection:
        query = text(
            "SELECT resource, outcome FROM audit_records WHERE action = 'template.example'"
        )
        rows = sorted(tuple(row) for row in await connection.execute(query))
    assert rows == [("model:words", "ok"), ("template:topic@1", "rate-limited")]


async def test_examples_keep_to_the_limits_of_the_key_that_tries_them(world: World) -> None:
    await make(world, **TOPIC)
    key = {
        "name": "tester",
        "scopes": ["generate", "tenant:read", "tenant:write"],
        "policy": {"models": ["another"]},
    }
    made = await world.ask("owner", "POST", "/api/v1/tenants/acme/keys", json=key)
    world.credentials["tester"] = made.json()["key"]
    body = {"examples": [{**WORDS, "variables": {"product": "tea"}}]}

    report = (await world.ask("tester", "POST", f"{TEMPLATES}/topic/test", json=body)).json()

    assert report["results"][0]["error"]["status"] == 404, report


async def test_a_quota_is_a_typed_conflict(world: World) -> None:
    async with world.database.begin() as connection:
        [row] = (await connection.execute(select(templates))).mappings()
        # `row` is one of them, and there is room for one more
        copies = [
            {**row, "id": f"copy-{number}"} for number in range(TemplateLimits().max_count - 2)
        ]
        await connection.execute(insert(templates), copies)

    last = await world.ask("owner", "POST", TEMPLATES, json={"id": "last", "text": "Tea"})
    answer = await world.ask("owner", "POST", TEMPLATES, json={"id": "more", "text": "Tea"})

    assert (last.status_code, answer.status_code) == (201, 409)
    assert answer.json()["type"].endswith("template-quota-exceeded")
    assert (answer.json()["param"], answer.json()["limit"]) == ("id", 200)
