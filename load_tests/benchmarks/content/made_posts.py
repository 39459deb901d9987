"""Made posts of a library, the same for the same seed: written to a store in bulk.

Words follow a Zipf distribution, so that searches have rare and common terms; statuses, platforms,
languages and tags are unevenly common, as in a library that is used.
"""

import hashlib
import itertools
import random
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import insert, text

from cluster.library.repository import facets_of
from cluster.library.terms import terms_of
from cluster.storage.database import Database
from cluster.storage.tables import (
    library_bodies,
    library_posts,
    library_sizes,
    library_versions,
    plans,
    tenants,
)

TENANT, OTHER = "acme", "other"
WORDS, WORDS_OF_A_POST, CHUNK = 5_000, 40, 2_000
STATUSES = {
    "draft": 30, "in_review": 3, "approved": 2, "scheduled": 5, "published": 50, "archived": 10,
}  # fmt: skip
PLATFORMS = {"instagram": 40, "linkedin": 30, "x": 20, "facebook": 9, "youtube": 1}
LANGUAGES = {"English": 80, "German": 15, "French": 4, "Polish": 1}
TAGS, AUTHORS = 200, 25
BEGIN = 1_750_000_000.0
_SYLLABLES = ("ka", "lo", "mi", "ter", "ban", "su", "ro", "ven", "di", "pal", "et", "ur")


def word(number: int) -> str:
    """Word 0 is the most common one."""
    parts = []
    while True:
        number, rest = divmod(number, len(_SYLLABLES))
        parts.append(_SYLLABLES[rest])
        if number == 0:
            return "".join(parts) + "n" * (len(parts) == 1)
        number -= 1


async def fill(database: Database, posts: int, seed: int = 1) -> None:
    """So many posts of TENANT, and a tenth as many of OTHER in between."""
    dice = random.Random(seed)
    row = {"plan": "default", "status": "active", "secret": b"s", "created": 0.0, "updated": 0.0}
    plan = {"id": "default", "document": {}, "version": 1, "created": 0.0, "updated": 0.0}
    async with database.begin() as connection:
        await connection.execute(insert(plans), [plan])
        named = [{**row, "id": id, "name": id} for id in (TENANT, OTHER)]
        await connection.execute(insert(tenants), named)
    made = _made(dice, posts)
    while chunk := list(itertools.islice(made, CHUNK)):
        async with database.begin() as connection:
            await connection.execute(insert(library_posts), chunk)
            await connection.execute(insert(library_bodies), [_body(post) for post in chunk])
            await connection.execute(insert(library_versions), [_version(post) for post in chunk])
    async with database.begin() as connection:
        sizes = [
            {"tenant": TENANT, "posts": posts, "bytes": 0, "last": 0.0},
            {"tenant": OTHER, "posts": posts // 10, "bytes": 0, "last": 0.0},
        ]
        await connection.execute(insert(library_sizes), sizes)
        if not database.is_sqlite:  # numbers that are given do not advance the sequence
            sequence = "pg_get_serial_sequence('library_posts', 'number')"
            last = "(SELECT max(number) FROM library_posts)"
            await connection.execute(text(f"SELECT setval({sequence}, {last})"))


def _made(dice: random.Random, posts: int) -> Iterator[dict[str, Any]]:
    vocabulary = [word(number) for number in range(WORDS)]
    weights = list(itertools.accumulate(1 / (rank + 1) for rank in range(WORDS)))
    number = 0
    for index in range(posts):
        for tenant in (TENANT, OTHER) if index % 10 == 9 else (TENANT,):
            number += 1
            yield _post(dice, number, index, tenant, vocabulary, weights)


def _post(
    dice: random.Random,
    number: int,
    index: int,
    tenant: str,
    vocabulary: Sequence[str],
    weights: Sequence[float],
) -> dict[str, Any]:
    words = dice.choices(vocabulary, cum_weights=weights, k=WORDS_OF_A_POST)
    title, body = " ".join(words[:4]).title(), " ".join(words) + f" {number}"
    tags = sorted({f"tag-{min(int(dice.expovariate(0.05)), TAGS)}" for _ in range(3)})
    status, at = _one_of(dice, STATUSES), BEGIN + 60.0 * index
    is_timed = status in ("scheduled", "published")
    post: dict[str, Any] = {
        "number": number,
        "tenant": tenant,
        "id": f"post_{index:08}",
        "status": status,
        "platform": _one_of(dice, PLATFORMS),
        "language": _one_of(dice, LANGUAGES),
        "title": title,
        "body": body,
        "tags": tags,
        "version": 1,
        "versions": 1,
        "revision": 1,
        "created_by": f"user:{dice.randrange(AUTHORS)}",
        "author": "user:0",
        "schedule": int(is_timed),
        "scheduled": at + 86_400.0 * dice.randrange(1, 30) if is_timed else None,
        "zone": "UTC" if is_timed else None,
        "created": at,
        "updated": at,
    }
    return post | {"terms": terms_of(tenant, (title, body, *tags), facets_of(post))}


def _one_of(dice: random.Random, weights: dict[str, int]) -> str:
    return dice.choices(list(weights), list(weights.values()))[0]


def _digest(post: dict[str, Any]) -> str:
    return hashlib.sha256(post["body"].encode()).hexdigest()


def _body(post: dict[str, Any]) -> dict[str, Any]:
    body, size = post["body"], len(post["body"])
    return {"tenant": post["tenant"], "digest": _digest(post), "body": body, "size": size}


def _version(post: dict[str, Any]) -> dict[str, Any]:
    return {
        "post": post["number"],
        "number": 1,
        "tenant": post["tenant"],
        "digest": _digest(post),
        "title": post["title"],
        "author": post["author"],
        "note": "",
        "origin": "written",
        "is_candidate": False,
        "created": post["created"],
    }
