"""Limits as response headers.

Shapes of draft-ietf-httpapi-ratelimit-headers-10, and the x-ratelimit-* that OpenAI's clients
read. In: the purses that a request passed. Out: raw header pairs; every number is whole.
"""

from collections.abc import Sequence
from functools import lru_cache

from cluster.tenants.units import Unit
from deployments.contracts.limits import BucketKind
from deployments.limiter.purse import Purse

Headers = list[tuple[bytes, bytes]]
_FAMILIES = ((Unit.REQUESTS, "requests"), (Unit.TOKENS, "tokens"))
_State = tuple[Purse, int, int]  # with what remains, and the seconds until it is whole


def rate_limit_headers(purses: Sequence[Purse], now: float, wall: float) -> Headers:
    """All limits that applied; for each x-ratelimit family, the one with the least left."""
    if not purses:
        return []
    states = [_state(purse, now, wall) for purse in purses]
    policies, values = [], []
    for purse, left, reset_s in states:
        limit, slots = purse.limit, purse.kind is BucketKind.SLOTS
        name, policy = _constant(limit.name, limit.quota, limit.window_s, slots)
        policies.append(policy)
        values.append(f"{name};r={left}" if slots else f"{name};r={left};t={reset_s}")
    headers = [
        (b"ratelimit-policy", ", ".join(policies).encode()),
        (b"ratelimit", ", ".join(values).encode()),
    ]
    for unit, family in _FAMILIES:
        headers += _family(family, unit, states)
    return headers


def _state(purse: Purse, now: float, wall: float) -> _State:
    left = purse.remaining(now)
    return purse, left, whole_in_s(purse, left, wall)


def whole_in_s(purse: Purse, left: int, wall: float) -> int:
    """Seconds until nothing of a limit is spent, if nothing more is; 0 for slots."""
    spec = purse.limit.spec
    if purse.kind is BucketKind.BUDGET:
        return max(0, int(spec.until - wall))
    return -int((left - spec.capacity) // spec.rate) if spec.rate else 0


@lru_cache(maxsize=4096)
def _constant(name: str, quota: int, window_s: int, slots: bool) -> tuple[str, str]:
    """The name as a structured-field string, printable ASCII without quotes, and its policy."""
    quoted = '"' + "".join(c for c in name if " " <= c <= "~" and c not in '"\\') + '"'
    unit = ';qu="concurrent-requests"' if slots else ""
    window = f";w={window_s}" if window_s else ""
    return quoted, f"{quoted};q={quota}{unit}{window}"


def _family(family: str, unit: Unit, states: Sequence[_State]) -> Headers:
    of_unit = [
        state
        for state in states
        if state[0].limit.unit is unit and state[0].kind is not BucketKind.SLOTS
    ]
    if not of_unit:
        return []
    purse, left, reset_s = min(of_unit, key=lambda state: state[1])
    return [
        (f"x-ratelimit-limit-{family}".encode(), b"%d" % purse.limit.quota),
        (f"x-ratelimit-remaining-{family}".encode(), b"%d" % left),
        (f"x-ratelimit-reset-{family}".encode(), b"%ds" % reset_s),
    ]
