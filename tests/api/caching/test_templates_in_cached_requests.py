"""A request with a template: its bytes alone never lead to a cached response."""

from dataclasses import dataclass

import pytest

from cluster.templates.directory import TemplateDirectory
from cluster.templates.document import CompiledTemplate, TemplateDocument
from tests.api.caching.answers import CHAT, URL
from tests.api.caching.conftest import MakeApp
from tests.api.fakes import WordsModel
from tests.api.web import client_of

USE = {"model": "words", "temperature": 0, "template": {"id": "greeting"}}


@dataclass
class Labelled(TemplateDirectory):
    """Versions of one template; the label points to `active`."""

    texts: dict[int, str]
    active: int = 1

    async def find(self, *_: object) -> tuple[int, CompiledTemplate]:
        document = TemplateDocument(text=self.texts[self.active])
        return self.active, CompiledTemplate.of(document)


@pytest.mark.parametrize("path", [URL, "/v1/completions"])
async def test_the_same_bytes_ask_for_another_text_once_the_label_has_moved(
    make_cached_app: MakeApp, model: WordsModel, path: str
) -> None:
    templates = Labelled({1: "Say three words", 2: "Say two words"})
    async with client_of(make_cached_app(templates=templates)) as web:
        answers = [await web.post(path, json=USE) for _ in range(3)]
        templates.active = 2
        moved = await web.post(path, json=USE)

    assert [answer.headers["mobula-template"] for answer in answers] == ["greeting@1"] * 3
    assert "hit" in answers[2].headers["cache-status"]
    assert moved.headers["mobula-template"] == "greeting@2"
    texts = [each.prompt or each.messages[0].content for each in model.requests]
    assert texts == ["Say three words", "Say two words"]


async def test_a_rendered_request_is_the_one_that_was_written_out(
    make_cached_app: MakeApp, model: WordsModel
) -> None:
    """The cache sees the rendered text: both share an entry."""
    templates = Labelled({1: "Say three words"})
    async with client_of(make_cached_app(templates=templates)) as web:
        await web.post(URL, json=CHAT)
        answer = await web.post(URL, json=USE)

    assert "hit" in answer.headers["cache-status"]
    assert len(model.requests) == 1
