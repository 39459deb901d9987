"""Asks twice, sees the second answer come from the cache, invalidates it by its tag, asks again.

Run it against a running cluster with any key that may generate and write to the cache:

    MOBULA_API_KEY="$(./mobula keys show)" .venv/bin/python docs/examples/kept_answers.py
"""

import os

import httpx
from openai import OpenAI

URL = "http://127.0.0.1:8000"
TAG = "example:kept-answers"


def main(key: str, url: str = URL) -> None:
    with OpenAI(base_url=f"{url}/v1", api_key=key) as client:
        _ask(client, "computed, or kept from the last time")
        _ask(client, "kept")
        _ask(client, "computed anew", {"Cache-Control": "no-cache"})
        _invalidate(key, url)
        _ask(client, "computed: what was kept is worthless")


def _ask(client: OpenAI, expected: str, wishes: dict[str, str] | None = None) -> None:
    answer = client.chat.completions.with_raw_response.create(
        model="nano",
        messages=[{"role": "user", "content": "A caption for a bakery"}],
        temperature=0,  # without it, or a seed, answers are drawn at random and not kept
        extra_headers={"Mobula-Cache-Tags": TAG, **(wishes or {})},
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
