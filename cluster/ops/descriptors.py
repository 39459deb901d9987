"""How many files may be open: each connection that HAProxy holds takes two.

The soft limit is raised towards the hard one before anything starts; that is the operator's.
"""

import resource
from dataclasses import dataclass

from cluster.ops.haproxy_configuration import most_connections

ENOUGH = 1 << 20


@dataclass(frozen=True, slots=True)
class Descriptors:
    """`hard` None: no limit."""

    soft: int
    hard: int | None

    @classmethod
    def here(cls) -> "Descriptors":
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        return cls(soft, None if hard == resource.RLIM_INFINITY else hard)

    def complaint(self, connections: int) -> str | None:
        """What to tell the operator if HAProxy cannot hold so many connections."""
        if self.hard is None or most_connections(self.hard) >= connections:
            return None
        return (
            f"HAProxy will hold {most_connections(self.hard):,} connections, not {connections:,}: "
            f"`ulimit -Hn` is {self.hard:,}, and each takes two"
        )


def raise_limit() -> None:
    """For this process and all that it starts. Not without bound: some programs walk through every
    descriptor that they might have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
