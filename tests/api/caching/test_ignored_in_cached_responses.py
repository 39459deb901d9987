"""Responses that no model computes say too what of their request was ignored."""

from typing import Any

import httpx

from tests.api.fakes import WordsModel

CHAT = "/v1/chat/completions"
HELLO: dict[str, Any] = {
    "model": "words",
    "messages": [{"role": "user", "content": "hello you"}],
    "temperature": 0,
}


async def test_the_same_bytes_again_name_the_same_fields(
    web: httpx.AsyncClient, model: WordsModel
) -> None:
    plain = [await web.post(CHAT, json=HELLO) for _ in range(3)]
    typo = [await web.post(CHAT, json=HELLO | {"typo": 1}) for _ in range(3)]
    hint = [await web.post(CHAT, json=HELLO | {"verbosity": "low"}) for _ in range(3)]

    assert len(model.requests) == 1
    assert [each.headers.get("mobula-ignored") for each in plain] == [None] * 3
    assert [each.headers.get("mobula-ignored") for each in typo] == ["typo"] * 3
    assert [each.headers.get("mobula-ignored") for each in hint] == ["verbosity"] * 3
    assert typo[2].headers["cache-status"].endswith("detail=l1")
