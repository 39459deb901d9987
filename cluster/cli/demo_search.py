"""The step of `mobula demo` about collections: texts are stored, and found by their meaning."""

from http.client import CONFLICT, NOT_IMPLEMENTED

import httpx

from cluster.cli.demo_drafts import DemoFailed
from cluster.cli.output import print_plain, print_rich

URL, NAME = "/api/v1/collections", "mobula-demo"
POINTS = (
    ("menu", "Our espresso comes from a small farm in Guatemala.", "food"),
    ("hours", "On Sundays the doors stay shut.", "service"),
    ("music", "A jazz trio plays on the terrace every Friday night.", "events"),
)
QUERIES = ("when are you closed?", "live concerts", "Guatemala")


def search_texts(http: httpx.Client) -> None:
    """The collection is removed again."""
    print_rich("\n[bold]6. Found by meaning and by words[/]  POST /api/v1/collections/../query")
    made = http.post(URL, json={"name": NAME})
    if made.status_code != CONFLICT:  # else it is there from a demo that was stopped
        _check(made)
    path = f"{URL}/{NAME}"
    try:
        points = [{"id": id, "text": text, "payload": {"about": of}} for id, text, of in POINTS]
        _check(http.put(f"{path}/points", json={"points": points}))
        for text in QUERIES:
            found = http.post(f"{path}/query", json={"text": text, "limit": 1})
            if found.status_code == NOT_IMPLEMENTED:
                print_plain(f"  {found.json()['detail']}")
                return
            best = _check(found).json()["results"][0]
            print_plain(f"  {text:<22} {best['score']:.2f}  {best['text']}")
    finally:
        http.delete(path)


def _check(response: httpx.Response) -> httpx.Response:
    if not response.is_success:
        raise DemoFailed(f"{response.status_code} {response.text}")
    return response
