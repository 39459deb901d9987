"""Optimisation on a real cluster: rules in Text over a link, rewrites by nano, the best time."""

import httpx

from deployments.ingress.schemas.optimization import OptimizePostResponse
from deployments.ingress.schemas.posting_time import PostingTimeResponse

POSTS = "/api/v1/posts"
DRAFT = (
    "We are going to open our roastery on Saturday and we have asked a number of people to "
    "participate in the tasting because we want to utilize the big table. 20% off until noon!!!!"
)


async def test_drafts_are_optimized_and_hours_are_found(client: httpx.AsyncClient) -> None:
    body = {"text": DRAFT, "platform": "instagram", "rewrite": "both", "seed": 1}
    optimized = await client.post(f"{POSTS}/optimize", json=body)
    outcomes = [
        {"at": 1_788_739_200 + 3_600 * hour, "impressions": 900, "engagements": hour % 24}
        for hour in range(0, 600, 5)
    ]
    timed = await client.post(f"{POSTS}/best-time", json={"outcomes": outcomes, "text": DRAFT})

    answer = OptimizePostResponse.model_validate_json(optimized.raise_for_status().content)
    assert answer.is_changed
    assert "20%" in answer.text
    assert answer.usage.completion_tokens > 0
    timing = PostingTimeResponse.model_validate_json(timed.raise_for_status().content)
    assert timing.hours[0].hour > 12
    assert timing.draft is not None
