"""Which shard searches a collection.

In: a number of shards. Out: owners. Knows no shards.
"""

import mmh3


def search_shard_name(number: int) -> str:
    """The deployment's name. The first has no number: most clusters have only one."""
    return f"Search-{number}" if number else "Search"


def search_shard(tenant: str, collection: str, shards: int) -> int:
    """Rendezvous hashing (Thaler and Ravishankar, 1998): an added shard takes collections from
    others, and nothing else moves."""
    if shards == 1:
        return 0
    key = f"{tenant}\0{collection}".encode()
    scores = [mmh3.mmh3_x64_128_uintdigest(b"%d\0%b" % (n, key)) for n in range(shards)]
    return scores.index(max(scores))
