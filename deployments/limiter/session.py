"""An ingress replica's session with one authority shard: until when its leases there hold.

In: exchanges that were answered. Out: the end of the leases. Times are seconds on this process's
monotonic clock.
"""

import math

from deployments.contracts.limits import SESSION

_MARGIN = 0.95  # leases end here before they end at the authority, however the clocks drift


class LeaseSession:
    """`epoch` is the authority's, as last seen, and `replicas` how many share it. All leases of the
    shard end at `expires`."""

    __slots__ = ("epoch", "expires", "replicas")

    def __init__(self) -> None:
        self.epoch = ""
        self.expires = -math.inf
        self.replicas = 1

    def renew(self, sent_at: float, ttl_s: float) -> None:
        """An exchange that was sent then has been answered."""
        self.expires = max(self.expires, sent_at + SESSION * ttl_s * _MARGIN)
