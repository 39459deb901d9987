"""Limits as response headers.

Shapes of draft-ietf-httpapi-ratelimit-headers-10, and the x-ratelimit-* that OpenAI's clients
read. In: the purses that a request passed. Out: raw header pairs; every number is whole.
"""

from collections.abc import Sequence

from cluster.tenants.units import Unit
from deployments.contracts.limits import BucketKind
from deployments.limiter.leased_bucket import LeasedBucket

Headers = list[tuple[bytes, bytes]]
_FAMILIES = ((Unit.REQUESTS, b"requests"), (Unit.TOKENS, b"tokens"))


def rate_limit_headers(purses: Sequence[LeasedBucket], now: float, wall: float) -> Headers:
    """All limits that applied; for each x-ratelimit family, the one with the least left."""
    if not purses:
        return []
    values: list[bytes] = []
    least: dict[Unit, tuple[int, int, int]] = {}  # what is left, until whole, of what
    for purse in purses:
        limit, left = purse.limit, purse.remaining(now)
        if purse.kind is BucketKind.SLOTS:
            values.append(b"%b;r=%d" % (limit.quoted, left))
            continue
        reset_s = seconds_until_full(purse, left, wall)
        values.append(b"%b;r=%d;t=%d" % (limit.quoted, left, reset_s))
        if limit.unit not in least or left < least[limit.unit][0]:
            least[limit.unit] = left, reset_s, limit.quota
    headers = [
        (b"ratelimit-policy", b", ".join([purse.limit.policy for purse in purses])),
        (b"ratelimit", b", ".join(values)),
    ]
    for unit, family in _FAMILIES:
        if unit in least:
            headers += _family(family, *least[unit])
    return headers


def seconds_until_full(purse: LeasedBucket, left: int, wall: float) -> int:
    """Seconds until nothing of a limit is spent, if nothing more is; 0 for slots."""
    spec = purse.limit.spec
    if purse.kind is BucketKind.BUDGET:
        return max(0, int(spec.until - wall))
    return -int((left - spec.capacity) // spec.rate) if spec.rate else 0


def _family(family: bytes, left: int, reset_s: int, quota: int) -> Headers:
    return [
        (b"x-ratelimit-limit-" + family, b"%d" % quota),
        (b"x-ratelimit-remaining-" + family, b"%d" % left),
        (b"x-ratelimit-reset-" + family, b"%ds" % reset_s),
    ]
