"""File descriptor limits: each HAProxy connection needs two descriptors.

The soft limit is raised towards the hard limit, which is the operator's, before a cluster starts.
"""

import resource
from dataclasses import dataclass

from cluster.ops.haproxy_configuration import max_connections

MAX_DESCRIPTORS = 1 << 20


@dataclass(frozen=True, slots=True)
class Descriptors:
    """The limits of this process. `hard` None: unlimited."""

    soft: int
    hard: int | None

    @classmethod
    def here(cls) -> "Descriptors":
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        return cls(soft, None if hard == resource.RLIM_INFINITY else hard)

    def warning(self, connections: int) -> str | None:
        """A message for the operator if HAProxy cannot hold `connections`."""
        if self.hard is None or max_connections(self.hard) >= connections:
            return None
        return (
            f"HAProxy can hold {max_connections(self.hard):,} connections, not {connections:,}: "
            f"`ulimit -Hn` is {self.hard:,}, and each connection needs two"
        )


def raise_limit() -> None:
    """Raises the soft limit of this process and its children, to MAX_DESCRIPTORS at most: some
    programs iterate over every possible descriptor."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    target = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MAX_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < target:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
