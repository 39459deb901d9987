"""The steps of `mobula demo` about one draft: analyzed, optimized, approved and scheduled.

In: a client of the running cluster. Out: lines on the terminal. A step that this cluster does not
serve says so and is left out.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from http.client import NOT_IMPLEMENTED
from typing import Any

import httpx

from cluster.cli.output import print_plain, print_rich
from cluster.runtime.clock import SystemClock

DRAFT = (
    "We are going to open our coffee roastery on Saturday and we have asked a number of people to "
    "participate in the tasting because we want to utilize the big table. 20% off until noon!!!!"
)
WEEK_S = 7 * 86_400.0


class DemoFailed(Exception):
    """The cluster gave an unexpected response."""


def analyze_draft(http: httpx.Client) -> None:
    print_rich("\n[bold]3. What a draft says[/]  POST /api/v1/text/analyze")
    operations = ("language", "readability", "sentiment", "keywords")
    answer = _post(http, "/api/v1/text/analyze", {"text": DRAFT, "operations": operations})
    if answer is None:
        return
    results = answer["results"]
    print_plain(f"  language     {_value(results, 'language', 'language')}")
    print_plain(f"  readability  {_value(results, 'readability', 'level')}")
    print_plain(f"  sentiment    {_value(results, 'sentiment', 'label')}")
    keywords = results["keywords"]
    if keywords["supported"] and keywords["value"]:
        print_plain(f"  keywords     {', '.join(each['text'] for each in keywords['value'])}")


def _value(results: Mapping[str, Any], operation: str, field: str) -> str:
    result = results[operation]
    if not result["supported"] or result["value"] is None:
        return str(result.get("reason") or "; ".join(result["reasons"]))
    return str(result["value"][field])


def optimize_draft(http: httpx.Client) -> str:
    """The better text; the draft itself where texts are not analyzed."""
    print_rich("\n[bold]4. A draft, optimized with reasons[/]  POST /api/v1/posts/optimize")
    body = {"text": DRAFT, "platform": "instagram", "keywords": ["specialty coffee"]}
    answer = _post(http, "/api/v1/posts/optimize", body)
    if answer is None:
        return DRAFT
    for goal, score in answer["goals"].items():
        if score["supported"]:
            print_plain(f"  {goal:<12} {score['before']:.2f} -> {score['after']:.2f}")
    for edit in (edit for variant in answer["variants"] for edit in variant["why"]):
        print_plain(f"  {edit['rule']:<18} {edit['reason']}")
    text = str(answer["text"])
    print_plain("  " + text.replace("\n", "\n  "))
    return text


def schedule_post(http: httpx.Client, text: str) -> None:
    """From a draft to a schedule a week ahead; the post is removed again."""
    print_rich("\n[bold]5. Saved, approved, scheduled[/]  /api/v1/library/posts")
    draft = {"title": "The roastery opens", "body": text, "platform": "instagram"}
    post = _post(http, "/api/v1/library/posts", {**draft, "tags": ["demo"]})
    if post is None:
        return
    url = f"/api/v1/library/posts/{post['id']}"
    noon = datetime.fromtimestamp(SystemClock().wall() + WEEK_S, UTC).replace(hour=12, minute=0)
    timed = {"at": noon.strftime("%Y-%m-%dT%H:%M:%S"), "zone": "UTC"}
    steps: tuple[tuple[str, Mapping[str, str]], ...] = (
        ("submit", {}),
        ("approve", {}),
        ("schedule", timed),
    )
    try:
        for transition, more in steps:
            post = _change(http, "POST", f"{url}/transitions", {"transition": transition, **more})
            print_plain(f"  {transition:<12} {post['status']}")
    finally:
        _change(http, "DELETE", url, None)
    print_plain(f"  {'found again':<12} by words, tags and dates; this one is removed now")


def _post(http: httpx.Client, path: str, body: Mapping[str, Any]) -> Any:
    """The answer; None where this cluster does not do that, which is printed."""
    response = http.post(path, json=body)
    if response.status_code == NOT_IMPLEMENTED:
        print_plain(f"  {response.json()['detail']}")
        return None
    if not response.is_success:
        raise DemoFailed(f"{response.status_code} {response.text}")
    return response.json()


def _change(http: httpx.Client, method: str, url: str, body: Mapping[str, Any] | None) -> Any:
    """Of a post, whichever revision it has."""
    response = http.request(method, url, json=body, headers={"If-Match": "*"})
    if not response.is_success:
        raise DemoFailed(f"{response.status_code} {response.text}")
    return response.json() if response.content else None
