"""Slowing down who guesses passwords, and who floods the open routes.

Flows in: an email and the address that an attempt came from. Flows out: nothing, or RateLimited
with the seconds to wait. Nothing locks an account: what an address has tried slows down that
address, so the right password gets through from any other. Three rules, each attempt under all:

1. of one account from one address: FREE attempts, then each failure doubles the wait (1 s to
   LONGEST_S). Where others fail at the account as well, FREE_UNDER_ATTACK.
2. of one address, whatever the account: BY_ADDRESS failures at once, then one each DRAIN_S.
3. in all: IN_ALL failures at once, then IN_ALL_PER_S.

Who has signed in from an address before is subject to the first rule alone. In the memory of one
process, and bounded: with several replicas a guesser gets as many times the attempts.
"""

import ipaddress
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from cluster.runtime.clock import Clock
from cluster.runtime.problems import RateLimited

FREE, FREE_UNDER_ATTACK = 10, 3
LONGEST_S = 300.0
QUIET_S = 900.0  # without a failure, and the first rule begins anew
ATTACK, ATTACK_DRAIN_S = 20, 60.0  # failures at an account from everywhere; one less each so often
BY_ADDRESS, DRAIN_S = 30, 30.0
IN_ALL, IN_ALL_PER_S = 200, 2.0
MAX_ENTRIES = 10_000
OPEN_PER_S, OPEN_BURST = 2.0, 60  # calls of open routes from one address
LIMIT = "sign-in"
IPV6_PREFIX = 64  # what one subscriber gets at least

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def source_of(address: str) -> str:
    """The address as far as one person cannot choose it: of IPv6 the /64; "" for no address."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return ""
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    if mapped is not None or isinstance(found, ipaddress.IPv4Address):
        return str(mapped or found)
    return str(ipaddress.ip_network((int(found), IPV6_PREFIX), strict=False))


class _RecentEntries(Generic[K, V]):
    """The values that were set last, at most so many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: OrderedDict[K, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def get(self, key: K) -> V | None:
        return self._held.get(key)

    def put(self, key: K, value: V) -> None:
        self._held[key] = value
        self._held.move_to_end(key)
        if len(self._held) > self._most:
            self._held.popitem(last=False)

    def touch(self, key: K) -> None:
        if key in self._held:
            self._held.move_to_end(key)

    def drop(self, key: K) -> None:
        self._held.pop(key, None)


class _Levels(Generic[K]):
    """Leaky buckets by key: each holds `most` and loses `per_s` a second."""

    def __init__(self, most: float, per_s: float, clock: Clock, max_entries: int) -> None:
        self._most, self._per_s, self._clock = most, per_s, clock
        self._levels: _RecentEntries[K, tuple[float, float]] = _RecentEntries(
            max_entries
        )  # level, as of

    def __len__(self) -> int:
        return len(self._levels)

    def level(self, key: K) -> float:
        level, at = self._levels.get(key) or (0.0, 0.0)
        return max(0.0, level - (self._clock.monotonic() - at) * self._per_s)

    def wait_s(self, key: K) -> float:
        """Seconds until one more fits."""
        self._levels.touch(key)
        return max(0.0, (self.level(key) + 1.0 - self._most) / self._per_s)

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
    """Attempts count as failures until they succeed, so that racing ones cannot slip through."""

    def __init__(self, clock: Clock, max_entries: int = MAX_ENTRIES) -> None:
        self._clock = clock
        self._pairs: _RecentEntries[tuple[str, str], _FailureCount] = _RecentEntries(max_entries)
        self._known: _RecentEntries[tuple[str, str], bool] = _RecentEntries(
            max_entries
        )  # have signed in
        per_account = 1.0 / ATTACK_DRAIN_S
        self._accounts: _Levels[str] = _Levels(ATTACK, per_account, clock, max_entries)
        self._sources: _Levels[str] = _Levels(BY_ADDRESS, 1.0 / DRAIN_S, clock, max_entries)
        self._all: _Levels[None] = _Levels(IN_ALL, IN_ALL_PER_S, clock, 1)

    def __len__(self) -> int:
        return len(self._pairs) + len(self._accounts) + len(self._sources)

    def attempt(self, email: str, address: str) -> None:
        """Raises RateLimited when this one has to wait; then it does not count."""
        pair = email, source_of(address)
        wait = self._pair_wait_s(pair)
        if self._known.get(pair) is None:
            wait = max(wait, self._sources.wait_s(pair[1]), self._all.wait_s(None))
        if wait > 0.0:
            raise RateLimited("Too many failed sign-ins; wait.", wait, LIMIT)
        self._count(pair, 1)

    def succeeded(self, email: str, address: str) -> None:
        pair = email, source_of(address)
        self._count(pair, -1)
        self._pairs.drop(pair)
        self._known.put(pair, True)

    def withdraw(self, email: str, address: str) -> None:
        """Take back the latest attempt: it failed for our reasons."""
        self._count((email, source_of(address)), -1)

    def _pair_wait_s(self, pair: tuple[str, str]) -> float:
        self._pairs.touch(pair)
        failures = self._failures(pair)
        attacked = self._accounts.level(pair[0]) >= ATTACK and self._known.get(pair) is None
        over = failures.count - (FREE_UNDER_ATTACK if attacked else FREE)
        if over < 0:
            return 0.0
        due = failures.last + min(2.0 ** min(over, 30), LONGEST_S)
        return max(0.0, due - self._clock.monotonic())

    def _failures(self, pair: tuple[str, str]) -> _FailureCount:
        now = self._clock.monotonic()
        found = self._pairs.get(pair)
        return found if found and now - found.last < QUIET_S else _FailureCount(0, now)

    def _count(self, pair: tuple[str, str], change: int) -> None:
        failures, now = self._failures(pair), self._clock.monotonic()
        last = now if change > 0 else failures.last
        self._pairs.put(pair, _FailureCount(max(0, failures.count + change), last))
        self._accounts.add(pair[0], change)
        if self._known.get(pair) is None:
            self._sources.add(pair[1], change)
            self._all.add(None, change)


class AddressRate:
    """So many calls a second of each address, for routes that need no credential."""

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
