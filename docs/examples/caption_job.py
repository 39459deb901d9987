"""A Ray job that writes captions through a Python handle: no HTTP, the same key, the same checks.

Submit it to a running cluster (docs/guides/operations.md says how), or call `main` from any task,
actor or driver of that cluster. The key comes in a private file, whose path is in the environment:
Ray writes a job's environment to its logs.
"""

import os
from pathlib import Path

from cluster.client import Mobula
from cluster.runtime.problems import Problem

BRIEFS = [
    {"topic": "a rooftop coffee bar", "platform": "instagram", "style": "playful"},
    {"topic": "our first year of remote work", "platform": "linkedin", "style": "professional"},
    {"topic": "a midnight book fair", "platform": "x", "style": "minimal"},
]


def main(api_key: str) -> None:
    mobula = Mobula(api_key=api_key)

    answer = mobula.chat("Write an Instagram caption about a new bakery", max_tokens=48)
    print(f"chat: {answer.text}")

    print("stream: ", end="")
    for piece in mobula.stream_chat("Write a caption about a flea market", max_tokens=48):
        print(piece, end="", flush=True)
    print()

    for result in mobula.caption_batch(BRIEFS):
        if result["status"] == "ok":
            best = result["result"]["variants"][0]
            print(f"batch {result['index']}: {best['score']:.2f} {best['text']}")
        else:
            print(f"batch {result['index']}: {result['error']['detail']}")

    try:
        Mobula(api_key="mob_forged").chat("hello")
    except Problem as problem:
        print(f"a forged key: {problem.status} {problem.detail}")


if __name__ == "__main__":
    main(Path(os.environ["MOBULA_API_KEY_FILE"]).read_text().strip())
