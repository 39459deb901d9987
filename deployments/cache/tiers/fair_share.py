"""Who holds how much of a memory, and who holds the most. In: what each tenant gains and loses.

The rule is max-min fairness: whoever holds the most gives up next. So a flood pays for itself, what
one tenant leaves unused is there for the others, and nobody who holds less than an equal part
(whole / tenants) loses anything to another. A floor that is a fixed share would be a lie as soon as
there are more tenants than shares; this one holds for any number of them.

Tenants stand in bands of nearly equal size, a sixteenth apart, so that finding the one who holds
the most takes constant time with ten thousand of them; the floor is exact to that sixteenth.
"""

from collections import OrderedDict
from sys import getsizeof
from typing import Final, Generic, TypeVar

from deployments.cache.tiers.sieve import FifoQueue, Slot

ACCOUNT_BYTES: Final = 1024  # of memory that a tenant with anything at all costs
_INDEX_BYTES: Final = 256  # of that, its place in an OrderedDict

S = TypeVar("S", bound=Slot)


def size_class(size: int) -> int:
    """The number of the band that `size` bytes are in; bigger is higher."""
    shift = max(size.bit_length() - 5, 0)
    return (shift << 4) + (size >> shift)


def size_class_floor(band: int) -> int:
    """The smallest size in a band."""
    shift = max((band >> 4) - 1, 0)
    return (band - (shift << 4)) << shift


class TenantUsage(Slot, Generic[S]):
    """One tenant's things, oldest first, and their bytes with those of the account itself.

    `used` since its last turn; `seen` is when a turn last found it so.
    """

    __slots__ = ("band", "bytes", "kept", "seen", "tenant", "used")

    def __init__(self, tenant: str) -> None:
        super().__init__()
        self.tenant = tenant
        self.bytes = ACCOUNT_BYTES
        self.band = size_class(ACCOUNT_BYTES)
        self.kept: FifoQueue[S] = FifoQueue()
        self.used = True
        self.seen = 0.0

    @property
    def empty(self) -> bool:
        return self.kept.oldest is None


class FairShareAccounting(Generic[S]):
    """The accounts of all tenants that hold anything, and `bytes`, their sum."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self._accounts: OrderedDict[str, TenantUsage[S]] = OrderedDict()
        self._bands: dict[int, FifoQueue[TenantUsage[S]]] = {}
        self._occupied = 0  # bit i: band i has an account

    def __len__(self) -> int:
        return len(self._accounts)

    @property
    def part(self) -> int:
        """Bytes of an equal part."""
        return self.max_bytes // max(1, len(self._accounts))

    @property
    def floor(self) -> int:
        """Bytes below which no tenant loses anything to another, as things stand."""
        return size_class_floor(size_class(self.part))

    @property
    def tenants(self) -> list[str]:
        return list(self._accounts)

    def find(self, tenant: str) -> TenantUsage[S] | None:
        return self._accounts.get(tenant)

    def open(self, tenant: str) -> TenantUsage[S]:
        """The tenant's account, new if need be."""
        account = self._accounts.get(tenant)
        if account is None:
            account = self._accounts[tenant] = TenantUsage(tenant)
            self.bytes += account.bytes
            self._enter(account)
        return account

    def close(self, account: TenantUsage[S]) -> None:
        """Forget an account that holds nothing."""
        self._leave(account)
        self.bytes -= account.bytes
        del self._accounts[account.tenant]
        if getsizeof(self._accounts) > _INDEX_BYTES * (len(self._accounts) + 16):
            self._accounts = OrderedDict(self._accounts)  # it does not shrink by itself

    def change(self, account: TenantUsage[S], weight: int) -> None:
        """Count `weight` bytes more, or less."""
        self.bytes += weight
        account.bytes += weight
        band = size_class(account.bytes)
        if band != account.band:
            self._leave(account)
            account.band = band
            self._enter(account)

    def largest(self, but: TenantUsage[S]) -> TenantUsage[S] | None:
        """An account of the highest band in which there is another than `but`."""
        occupied = self._occupied
        while occupied:
            top = occupied.bit_length() - 1
            found = self._bands[top].oldest
            if found is but:
                found = found.newer
            if found is not None:
                return found
            occupied ^= 1 << top
        return None

    def eviction_victim(self, account: TenantUsage[S], weight: int) -> TenantUsage[S]:
        """Who gives up something next so that `account` can take `weight` bytes more."""
        other = self.largest(but=account)
        if other is None:
            return account
        wanted = size_class(account.bytes + weight)
        return account if wanted >= other.band and not account.empty else other

    def next_in_turn(self) -> TenantUsage[S] | None:
        """Each account in turn, one a call."""
        for tenant, account in self._accounts.items():
            self._accounts.move_to_end(tenant)
            return account
        return None

    def _enter(self, account: TenantUsage[S]) -> None:
        queue = self._bands.get(account.band)
        if queue is None:
            queue = self._bands[account.band] = FifoQueue()
            self._occupied |= 1 << account.band
        queue.add(account)

    def _leave(self, account: TenantUsage[S]) -> None:
        queue = self._bands[account.band]
        queue.remove(account)
        if queue.oldest is None:
            del self._bands[account.band]
            self._occupied ^= 1 << account.band
