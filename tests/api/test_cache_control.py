"""What requests may say about the cache over HTTP, and what is refused by the header's name."""

import httpx
import pytest

from tests.api.fakes import WordsModel

CAPTIONS = "/api/v1/captions"
BRIEF = {"topic": "a coffee shop"}


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Cache-Control", "max-age=soon"),
        ("Cache-Control", "no-store=1"),
        ("Mobula-Cache", "everything"),
        ("Mobula-Cache-Tags", "a b"),
    ],
)
async def test_a_malformed_wish_is_refused_before_anything_runs(
    client: httpx.AsyncClient, model: WordsModel, header: str, value: str
) -> None:
    answer = await client.post(CAPTIONS, json=BRIEF, headers={header: value})

    assert answer.status_code == 400
    assert answer.json()["param"] == header
    assert header in answer.json()["detail"]
    assert model.requests == []


@pytest.mark.parametrize("value", ["no-store", "no-cache, max-age=0", "max-stale=5, x=y", ""])
async def test_a_wish_that_is_known_or_foreign_is_no_reason_to_refuse(
    client: httpx.AsyncClient, value: str
) -> None:
    answer = await client.post(CAPTIONS, json=BRIEF, headers={"Cache-Control": value})

    assert answer.status_code == 200
