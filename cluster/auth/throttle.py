"""Throttles password guessing and requests to routes without authentication.

In: an email and the client's address. Out: nothing, or RateLimited with the seconds to wait. No
account is locked: failures slow down the address, so the right password works from any other. An
attempt is subject to three rules:

1. per account and address: FREE attempts, then each failure doubles the wait (1 s to MAX_WAIT_S);
   FREE_UNDER_ATTACK attempts if other addresses fail at the account as well.
2. per address: a burst of BY_ADDRESS failures, then one each DRAIN_S.
3. in total: a burst of IN_ALL failures, then IN_ALL_PER_S.

An account that has signed in from the address before is subject to the first rule only. The state
is bounded and in the memory of one process: with several replicas the limits multiply.
"""

import ipaddress
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from cluster.runtime.clock import Clock
from cluster.runtime.problems import RateLimited

FREE, FREE_UNDER_ATTACK = 10, 3
MAX_WAIT_S = 300.0
FORGET_AFTER_S = 900.0  # without a failure resets the first rule
ATTACK, ATTACK_DRAIN_S = 20, 60.0  # failures at an account from all addresses, and their decay
BY_ADDRESS, DRAIN_S = 30, 30.0
IN_ALL, IN_ALL_PER_S = 200, 2.0
MAX_ENTRIES = 10_000
OPEN_PER_S, OPEN_BURST = 2.0, 60  # calls of routes without authentication from one address
LIMIT = "sign-in"
IPV6_PREFIX = 64  # the smallest network of one subscriber

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def source_of(address: str) -> str:
    """The part of the address that a client cannot choose: of IPv6 the /64; "" if invalid."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    if mapped is not None or isinstance(parsed, ipaddress.IPv4Address):
        return str(mapped or parsed)
    return str(ipaddress.ip_network((int(parsed), IPV6_PREFIX), strict=False))


class _RecentEntries(Generic[K, V]):
    """A bounded mapping that evicts the least recently used entry."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._values: OrderedDict[K, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: K) -> V | None:
        return self._values.get(key)

    def put(self, key: K, value: V) -> None:
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > self._capacity:
            self._values.popitem(last=False)

    def touch(self, key: K) -> None:
        if key in self._values:
            self._values.move_to_end(key)

    def drop(self, key: K) -> None:
        self._values.pop(key, None)


class _Levels(Generic[K]):
    """Leaky buckets by key: capacity `capacity`, drained at `per_s` a second."""

    def __init__(self, capacity: float, per_s: float, clock: Clock, max_entries: int) -> None:
        self._capacity, self._per_s, self._clock = capacity, per_s, clock
        self._levels: _RecentEntries[K, tuple[float, float]] = _RecentEntries(
            max_entries
        )  # level, as of

    def __len__(self) -> int:
        return len(self._levels)

    def level(self, key: K) -> float:
        level, at = self._levels.get(key) or (0.0, 0.0)
        return max(0.0, level - (self._clock.monotonic() - at) * self._per_s)

    def wait_s(self, key: K) -> float:
        """Seconds until the bucket has room for one more."""
        self._levels.touch(key)
        return max(0.0, (self.level(key) + 1.0 - self._capacity) / self._per_s)

    def add(self, key: K, amount: float = 1.0) -> None:
        level = self.level(key) + amount
        if level > 0.0:
            self._levels.put(key, (level, self._clock.monotonic()))
        else:
            self._levels.drop(key)


@dataclass(frozen=True, slots=True)
class _FailureCount:
    count: int
    last: float


class SignInThrottle:
    """Counts attempts as failures until they succeed, so that concurrent ones are counted."""

    def __init__(self, clock: Clock, max_entries: int = MAX_ENTRIES) -> None:
        self._clock = clock
        self._pairs: _RecentEntries[tuple[str, str], _FailureCount] = _RecentEntries(max_entries)
        self._trusted_pairs: _RecentEntries[tuple[str, str], bool] = _RecentEntries(
            max_entries
        )  # have signed in
        per_account = 1.0 / ATTACK_DRAIN_S
        self._accounts: _Levels[str] = _Levels(ATTACK, per_account, clock, max_entries)
        self._sources: _Levels[str] = _Levels(BY_ADDRESS, 1.0 / DRAIN_S, clock, max_entries)
        self._all: _Levels[None] = _Levels(IN_ALL, IN_ALL_PER_S, clock, 1)

    def __len__(self) -> int:
        return len(self._pairs) + len(self._accounts) + len(self._sources)

    def attempt(self, email: str, address: str) -> None:
        """Counts an attempt, or raises RateLimited without counting it."""
        pair = email, source_of(address)
        wait = self._pair_wait_s(pair)
        if self._trusted_pairs.get(pair) is None:
            wait = max(wait, self._sources.wait_s(pair[1]), self._all.wait_s(None))
        if wait > 0.0:
            raise RateLimited("Too many failed sign-ins; wait.", wait, LIMIT)
        self._count(pair, 1)

    def succeeded(self, email: str, address: str) -> None:
        pair = email, source_of(address)
        self._count(pair, -1)
        self._pairs.drop(pair)
        self._trusted_pairs.put(pair, True)

    def cancel_attempt(self, email: str, address: str) -> None:
        """Removes the latest attempt, which failed for reasons of the server."""
        self._count((email, source_of(address)), -1)

    def _pair_wait_s(self, pair: tuple[str, str]) -> float:
        self._pairs.touch(pair)
        failures = self._failures(pair)
        attacked = self._accounts.level(pair[0]) >= ATTACK and self._trusted_pairs.get(pair) is None
        over = failures.count - (FREE_UNDER_ATTACK if attacked else FREE)
        if over < 0:
            return 0.0
        due = failures.last + min(2.0 ** min(over, 30), MAX_WAIT_S)
        return max(0.0, due - self._clock.monotonic())

    def _failures(self, pair: tuple[str, str]) -> _FailureCount:
        now = self._clock.monotonic()
        failures = self._pairs.get(pair)
        return (
            failures if failures and now - failures.last < FORGET_AFTER_S else _FailureCount(0, now)
        )

    def _count(self, pair: tuple[str, str], change: int) -> None:
        failures, now = self._failures(pair), self._clock.monotonic()
        last = now if change > 0 else failures.last
        self._pairs.put(pair, _FailureCount(max(0, failures.count + change), last))
        self._accounts.add(pair[0], change)
        if self._trusted_pairs.get(pair) is None:
            self._sources.add(pair[1], change)
            self._all.add(None, change)


class AddressRate:
    """Rate limit per address for routes without authentication."""

    def __init__(
        self,
        clock: Clock,
        per_s: float = OPEN_PER_S,
        burst: int = OPEN_BURST,
        max_entries: int = MAX_ENTRIES,
    ) -> None:
        self._levels: _Levels[str] = _Levels(burst, per_s, clock, max_entries)

    def __len__(self) -> int:
        return len(self._levels)

    def take(self, address: str) -> None:
        """Raises RateLimited."""
        source = source_of(address)
        wait = self._levels.wait_s(source)
        if wait > 0.0:
            raise RateLimited("Too many calls from your address; wait.", wait, LIMIT)
        self._levels.add(source)
