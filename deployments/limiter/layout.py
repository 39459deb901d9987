"""Which authority shard owns a tenant.

In: a number of shards, and the version of the deployment that states it. Out: owners. Knows no
shards.
"""

from dataclasses import dataclass

import mmh3

from cluster.runtime.pickle_compat import version_tolerant


def shard_name(number: int) -> str:
    """The deployment's name. The first has no number: most clusters have only one."""
    return f"Limiter-{number}" if number else "Limiter"


@version_tolerant
@dataclass(frozen=True, slots=True)
class ShardLayout:
    """The greater version counts; 0 is that of a replica that has asked no shard yet."""

    version: int
    shards: int

    def owner(self, tenant: str) -> int:
        """Rendezvous hashing (Thaler and Ravishankar, 1998): each shard has a score for the tenant,
        and the highest wins. An added shard takes tenants from others, and a removed one leaves its
        own to others; nothing else moves."""
        if self.shards == 1:
            return 0
        key = tenant.encode()
        scores = [mmh3.mmh3_x64_128_uintdigest(b"%d\0%b" % (n, key)) for n in range(self.shards)]
        return scores.index(max(scores))
