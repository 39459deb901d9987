"""Sends a request twice, gets the second response from the cache, invalidates it by its tag.

Run it against a running cluster with any key that may generate and write to the cache:

    MOBULA_API_KEY="$(./mobula keys show)" .venv/bin/python docs/examples/cached_responses.py
"""

import os

import httpx
from openai import OpenAI

URL = "http://127.0.0.1:8000"
TAG = "example:cached-responses"


def main(key: str, url: str = URL) -> None:
    with OpenAI(base_url=f"{url}/v1", api_key=key) as client:
        _ask(client, "computed, or cached by an earlier run")
        _ask(client, "cached")
        _ask(client, "recomputed", {"Cache-Control": "no-cache"})
        _invalidate(key, url)
        _ask(client, "computed: the entry was invalidated")


def _ask(client: OpenAI, expected: str, directives: dict[str, str] | None = None) -> None:
    answer = client.chat.completions.with_raw_response.create(
        model="nano",
        messages=[{"role": "user", "content": "A caption for a bakery"}],
        temperature=0,  # without it, or a seed, responses are sampled and not cached
        extra_headers={"Mobula-Cache-Tags": TAG, **(directives or {})},
    )
    age = answer.headers.get("Age", "-")
    print(f"{expected}: {answer.headers['Cache-Status']}, age {age}")


def _invalidate(key: str, url: str) -> None:
    answer = httpx.post(
        f"{url}/api/v1/cache/invalidations",
        headers={"Authorization": f"Bearer {key}"},
        json={"tag": TAG},
    )
    answer.raise_for_status()
    print(f"invalidated {TAG} under number {answer.json()['seq']}")


if __name__ == "__main__":
    main(os.environ["MOBULA_API_KEY"], os.environ.get("MOBULA_URL", URL))
