"""`/api/v1/posts/best-time`: hours by outcomes, a draft's what-if, bad input."""

from typing import Any

import httpx
import pytest

from deployments.ingress.schemas.posting_time import PostingTimeResponse

BEST_TIME = "/api/v1/posts/best-time"
MONDAY = 1_788_739_200  # 7 September 2026, 0:00 UTC
DRAFT = "Do you know our roastery? Come by, we have a cup for you!"


def outcomes(weeks: int = 6) -> list[dict[str, Any]]:
    """Three posts a day; those at 18 UTC did twice as well."""
    return [
        {
            "at": MONDAY + 86_400 * day + 3_600 * hour,
            "impressions": 1_000,
            "engagements": 80 if hour == 18 else 40,
        }
        for day in range(7 * weeks)
        for hour in (9, 14, 18)
    ]


async def found(client: httpx.AsyncClient, **body: Any) -> PostingTimeResponse:
    response = await client.post(BEST_TIME, json=body)
    return PostingTimeResponse.model_validate_json(response.raise_for_status().content)


async def test_the_best_hours_are_named_in_the_zone(client: httpx.AsyncClient) -> None:
    answer = await found(client, outcomes=outcomes(), zone="Asia/Tokyo", count=7)

    assert (answer.basis, answer.posts, answer.draft) == ("outcomes", 126, None)
    assert answer.source == "request"
    assert {hour.hour for hour in answer.hours if hour.posts} == {3}
    assert answer.hours[0].is_certain


async def test_a_draft_gets_an_hour_a_length_and_hashtags(client: httpx.AsyncClient) -> None:
    answer = await found(client, outcomes=outcomes(), text=DRAFT)

    assert answer.draft is not None
    assert (answer.draft.characters, answer.draft.hashtags) == (len(DRAFT), 0)
    assert (answer.draft.best.hour, answer.draft.best.hashtags) == (18, 5)
    assert answer.draft.best.score > answer.draft.score


async def test_too_few_outcomes_say_so_and_a_draft_is_still_judged(
    client: httpx.AsyncClient,
) -> None:
    answer = await found(client, outcomes=outcomes()[:3], text=DRAFT, platform="x")

    assert (answer.basis, answer.hours) == ("none", [])
    assert answer.reason is not None
    assert "3 outcomes" in answer.reason
    assert answer.draft is not None
    assert (answer.draft.best.day, answer.draft.best.hashtags) == (None, 1)


async def test_without_outcomes_and_without_a_library_nothing_is_known(
    client: httpx.AsyncClient,
) -> None:
    answer = await found(client)

    assert (answer.source, answer.basis, answer.posts) == ("none", "none", 0)


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        pytest.param({"text": DRAFT, "zone": "Mars/Base"}, 422, "zone", id="unknown-zone"),
        pytest.param({"text": DRAFT, "zone": "../../etc/passwd"}, 422, "zone", id="a-path"),
        pytest.param({"text": DRAFT, "platform": "myspace"}, 400, "instagram", id="platform"),
        pytest.param({"outcomes": outcomes(50)}, 422, "1000", id="too-many"),
        pytest.param(
            {"outcomes": [{"at": -1, "impressions": 1, "engagements": 1}]}, 422, "at", id="past"
        ),
        pytest.param(
            {"outcomes": [{"at": 1e300, "impressions": 1, "engagements": 1}]}, 422, "at", id="late"
        ),
        pytest.param(
            {"outcomes": [{"at": 1, "impressions": -1, "engagements": 1}]},
            422,
            "impressions",
            id="negative",
        ),
    ],
)
async def test_what_cannot_be_read_names_the_field(
    client: httpx.AsyncClient, body: dict[str, Any], status: int, word: str
) -> None:
    response = await client.post(BEST_TIME, json=body)

    assert response.status_code == status
    assert word in response.json()["detail"]
