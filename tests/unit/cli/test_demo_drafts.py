"""The steps of the demo about one draft: what is asked of the API, and what is left behind."""

import json

import httpx
import pytest

from cluster.cli.demo_drafts import DRAFT, DemoFailed, optimize_draft, schedule_post

POST = {"id": "post_1", "status": "scheduled"}


def client(asked: list[str], refused: str = "", status: int = 403) -> httpx.Client:
    """Notes what is asked; answers with a post, but not to `refused`."""

    def answer(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content or b"{}")
        asked.append(f"{request.method} {body.get('transition', '')}".strip())
        if refused and refused in asked[-1]:
            return httpx.Response(status, json={"detail": "no"})
        return httpx.Response(200, json=POST)

    return httpx.Client(base_url="http://mobula.test", transport=httpx.MockTransport(answer))


def test_a_draft_is_approved_scheduled_and_removed() -> None:
    asked: list[str] = []
    schedule_post(client(asked), DRAFT)
    assert asked == ["POST", "POST submit", "POST approve", "POST schedule", "DELETE"]


def test_what_is_refused_fails_the_demo_and_leaves_no_post() -> None:
    asked: list[str] = []
    with pytest.raises(DemoFailed, match="403"):
        schedule_post(client(asked, "approve"), DRAFT)
    assert asked[-1] == "DELETE"


def test_a_step_that_the_cluster_does_not_serve_is_left_out() -> None:
    assert optimize_draft(client([], "POST", status=501)) == DRAFT
