"""Hits of the cache count for whom and for what the request was, by every way to the cache."""

from typing import Any

import httpx
import pytest

from tests.api.caching.answers import CHAT, URL
from tests.api.fakes import Records, WordsModel

TAGGED = {"Mobula-Tags": "a"}


@pytest.mark.parametrize(
    ("body", "headers", "tags"),
    [
        pytest.param(CHAT, {}, (), id="no tags"),
        pytest.param(CHAT, TAGGED, ("a",), id="tags of the header"),
        pytest.param(CHAT | {"metadata": {"tags": ["a"]}}, {}, ("a",), id="tags of the body"),
        pytest.param(CHAT | {"metadata": {"tags": "b"}}, TAGGED, ("a", "b"), id="both"),
    ],
)
async def test_hits_have_the_tags_of_their_requests(
    web: httpx.AsyncClient, model: WordsModel, records: Records, body: dict[str, Any],
    headers: dict[str, str], tags: tuple[str, ...],
) -> None:  # fmt: skip
    for _ in range(4):
        assert (await web.post(URL, json=body, headers=headers)).status_code == 200

    assert len(model.requests) == 1
    assert [each for _, each, _ in records.calls] == [tags]
    assert records.kept_tags == [tags] * 3


async def test_requests_with_other_tags_share_a_response(
    web: httpx.AsyncClient, model: WordsModel, records: Records
) -> None:
    for tag in ("a", "b", ""):
        await web.post(URL, json=CHAT, headers={"Mobula-Tags": tag})
    await web.post(URL, json=CHAT)

    assert len(model.requests) == 1
    assert records.kept_tags == [("b",), (), ()]
