"""The tool `file_search` of `/v1/responses`, over a searcher that finds what the test says."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from cluster.runtime.problems import NotFound, PromptTooLong
from deployments.ingress.operations import vector_store_search
from deployments.ingress.schemas.response_answers import ResponseObject
from deployments.vector_stores.model import no_store
from deployments.vector_stores.passages import FilePassage
from tests.api.translation import reading
from tests.api.translation.scripted import Script, ScriptedModel

PATH = "/v1/responses"
TOOL: dict[str, Any] = {"type": "file_search", "vector_store_ids": ["vs_1"]}
WEATHER = {"type": "function", "name": "weather", "parameters": {"type": "object"}}
ASKED: dict[str, Any] = {"model": "words", "input": "How long is the warranty?", "tools": [TOOL]}
WARRANTY = FilePassage(
    "file-w", "warranty.pdf", 0.9, "The warranty lasts 24 months.", {"year": 2026.0}
)
SHIPPING = FilePassage("file-s", "shipping.md", 0.4, "We ship to Norway. " * 20)
ANSWER = "The warranty lasts 24 months [1]."


@dataclass
class KnownFiles:
    """Implements FileSearcher."""

    passages: Sequence[FilePassage] = (WARRANTY, SHIPPING)
    problem: NotFound | None = None
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    async def find(self, request: Any, *asked: Any) -> list[FilePassage]:
        self.asked.append(asked)
        if self.problem is not None:
            raise self.problem
        return list(self.passages)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> KnownFiles:
    found = KnownFiles()
    monkeypatch.setattr(
        vector_store_search.VectorStoreSearcher,
        "find",
        lambda self, request, *asked: found.find(request, *asked),
    )
    return found


@pytest.fixture
def files(known: KnownFiles, app: ASGIApp, scripted: ScriptedModel) -> KnownFiles:
    scripted.script = Script(texts=("The warranty lasts", " 24 months [1]."))
    return known


async def create(client: httpx.AsyncClient, **changes: Any) -> httpx.Response:
    return await client.post(PATH, json=ASKED | changes)


async def test_the_search_comes_before_the_answer_which_cites_its_files(
    client: httpx.AsyncClient, files: KnownFiles, scripted: ScriptedModel
) -> None:
    response = await create(client, include=["file_search_call.results"])

    answer = ResponseObject.model_validate_json(response.content)
    call, message = answer.output
    assert call.type == "file_search_call"
    assert message.type == "message"
    assert (call.status, call.queries) == ("completed", ["How long is the warranty?"])
    assert call.results is not None
    assert [(each.file_id, each.score) for each in call.results] == [
        ("file-w", 0.9),
        ("file-s", 0.4),
    ]
    assert call.results[0].attributes == {"year": 2026.0}
    [citation] = message.content[0].annotations
    assert (citation.file_id, citation.filename) == ("file-w", "warranty.pdf")
    assert citation.index == len(ANSWER)
    [asked] = scripted.requests[0].messages
    assert "[1] warranty.pdf\nThe warranty lasts 24 months." in asked.content
    assert asked.content.endswith("How long is the warranty?")
    assert not scripted.requests[0].tool_settings


async def test_results_are_answered_if_they_are_asked_for(
    client: httpx.AsyncClient, files: KnownFiles
) -> None:
    answer = (await create(client)).json()

    assert answer["output"][0]["results"] is None
    assert answer["tools"][0]["vector_store_ids"] == ["vs_1"]


async def test_a_stream_has_the_events_of_the_search_and_of_citations(
    client: httpx.AsyncClient, files: KnownFiles
) -> None:
    found = reading.events((await create(client, stream=True)).text)

    assert [name for name, _ in found] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.file_search_call.in_progress",
        "response.file_search_call.searching",
        "response.file_search_call.completed",
        "response.output_item.done",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.annotation.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [data["sequence_number"] for _, data in found] == list(range(len(found)))
    assert found[11][1]["annotation"]["file_id"] == "file-w"
    streamed = found[-1][1]["response"]["output"]
    whole = (await create(client)).json()["output"]
    for item in (*streamed, *whole):
        item.pop("id")
    assert streamed == whole


async def test_what_the_tool_says_is_what_is_searched(
    client: httpx.AsyncClient, files: KnownFiles
) -> None:
    filters = {"type": "eq", "key": "year", "value": 2026}
    ranking = {"score_threshold": 0.5, "hybrid_search": {"embedding_weight": 3, "text_weight": 1}}
    tool = TOOL | {"filters": filters, "max_num_results": 3, "ranking_options": ranking}

    await create(client, tools=[tool])

    [(stores, queries, limit, asked, wanted)] = files.asked
    assert (stores, queries, limit) == (["vs_1"], ["How long is the warranty?"], 3)
    assert (asked.key, asked.value, wanted.score_threshold, wanted.alpha) == (
        "year",
        2026,
        0.5,
        0.75,
    )


@pytest.mark.parametrize(
    ("changes", "searches"),
    [
        ({"tool_choice": "auto"}, 1),
        ({"tool_choice": "required"}, 1),
        ({"tool_choice": {"type": "file_search"}}, 1),
        ({"tool_choice": "none"}, 0),
        ({"tools": []}, 0),
        ({"tools": [TOOL, WEATHER], "tool_choice": {"type": "function", "name": "weather"}}, 0),
        (
            {
                "tools": [TOOL, WEATHER],
                "tool_choice": {"type": "allowed_tools", "tools": [{"type": "file_search"}]},
            },
            1,
        ),
        (
            {
                "tools": [TOOL, WEATHER],
                "tool_choice": {
                    "type": "allowed_tools",
                    "tools": [{"type": "function", "name": "weather"}],
                },
            },
            0,
        ),
    ],
)
async def test_the_choice_of_tools_decides_whether_files_are_searched(
    client: httpx.AsyncClient, files: KnownFiles, changes: dict[str, Any], searches: int
) -> None:
    response = await create(client, **changes)

    assert response.status_code == 200, response.text
    assert len(files.asked) == searches
    kinds = [item["type"] for item in response.json()["output"]]
    assert kinds.count("file_search_call") == searches


async def test_functions_are_called_beside_it(
    client: httpx.AsyncClient, files: KnownFiles, scripted: ScriptedModel
) -> None:
    scripted.script = Script(texts=(), calls=(("c1", "weather", ("{}",)),))

    answer = (await create(client, tools=[TOOL, WEATHER])).json()

    assert [item["type"] for item in answer["output"]] == ["file_search_call", "function_call"]
    settings = scripted.requests[0].tool_settings
    assert settings is not None
    assert [tool.name for tool in settings.tools] == ["weather"]


async def test_passages_that_the_context_has_no_room_for_are_left_out(
    client: httpx.AsyncClient, files: KnownFiles, scripted: ScriptedModel
) -> None:
    scripted.most_characters = 320

    response = await create(client)

    assert response.status_code == 200, response.text
    [served] = scripted.served
    assert "warranty.pdf" in served.messages[0].content
    assert "shipping.md" not in served.messages[0].content
    assert len(response.json()["output"][1]["content"][0]["annotations"]) == 1


async def test_a_question_that_is_too_long_by_itself_is_refused(
    client: httpx.AsyncClient, files: KnownFiles, scripted: ScriptedModel
) -> None:
    scripted.most_characters = 10

    response = await create(client)

    assert response.status_code == PromptTooLong.status
    assert response.json()["error"]["param"] == "input"


async def test_a_search_that_finds_nothing_says_so_to_the_model(
    client: httpx.AsyncClient, files: KnownFiles, scripted: ScriptedModel
) -> None:
    files.passages = ()

    answer = (await create(client, include=["file_search_call.results"])).json()

    assert answer["output"][0]["results"] == []
    assert answer["output"][1]["content"][0]["annotations"] == []
    assert "nothing about" in scripted.requests[0].messages[0].content


async def test_a_store_of_others_is_not_found(client: httpx.AsyncClient, files: KnownFiles) -> None:
    files.problem = no_store("vs_1")

    for stream in (False, True):
        response = await create(client, stream=stream)

        assert response.status_code == 404
        assert response.json()["error"]["param"] == "tools.vector_store_ids"


async def test_the_output_comes_back_as_input(
    client: httpx.AsyncClient, files: KnownFiles, scripted: ScriptedModel
) -> None:
    first = (await create(client)).json()
    history = [{"role": "user", "content": "How long?"}, *first["output"]]

    again = await create(client, input=[*history, {"role": "user", "content": "And abroad?"}])

    assert again.status_code == 200, again.text
    assert files.asked[-1][1] == ["And abroad?"]
    roles = [message.role for message in scripted.requests[-1].messages]
    assert roles == ["user", "assistant", "user"]


@pytest.mark.parametrize(
    ("tools", "param"),
    [
        ([TOOL, TOOL], "tools"),
        ([{"type": "web_search"}], "tools[0]"),
    ],
)
async def test_other_tools_are_refused_by_their_place(
    client: httpx.AsyncClient, files: KnownFiles, tools: list[Any], param: str
) -> None:
    response = await create(client, tools=tools)

    assert response.status_code == 400
    assert response.json()["error"]["param"] == param
