"""How much of a memory each tenant uses, and which uses the most.

In: what each tenant adds and removes. Out: the tenant that evicts next.

The rule is max-min fairness: the tenant with the largest usage evicts next. So a flood pays for
itself, what one tenant leaves unused is there for the others, and no tenant with less than an equal
part (the whole / tenants) loses anything to another. A fixed floor could not be kept once there are
more tenants than shares; this one holds for any number of them.

Tenants are in size classes a sixteenth apart, so that finding the largest takes constant time with
ten thousand of them; the floor is exact to that sixteenth.
"""

from collections import OrderedDict
from sys import getsizeof
from typing import Final, Generic, TypeVar

from deployments.cache.tiers.sieve import FifoQueue, Slot

ACCOUNT_BYTES: Final = 1024  # of memory for a tenant with any entry at all
_INDEX_BYTES: Final = 256  # of that, its part of an OrderedDict

S = TypeVar("S", bound=Slot)


def size_class(size: int) -> int:
    """The number of the size class of `size` bytes; larger is higher."""
    shift = max(size.bit_length() - 5, 0)
    return (shift << 4) + (size >> shift)


def size_class_floor(number: int) -> int:
    """The smallest size in a class."""
    shift = max((number >> 4) - 1, 0)
    return (number - (shift << 4)) << shift


class TenantUsage(Slot, Generic[S]):
    """One tenant's entries, oldest first, and their bytes with those of the account itself.

    `used`: since its last turn; `seen` is when a turn last found it so.
    """

    __slots__ = ("bytes", "entries", "seen", "size_class", "tenant", "used")

    def __init__(self, tenant: str) -> None:
        super().__init__()
        self.tenant = tenant
        self.bytes = ACCOUNT_BYTES
        self.size_class = size_class(ACCOUNT_BYTES)
        self.entries: FifoQueue[S] = FifoQueue()
        self.used = True
        self.seen = 0.0


class FairShareAccounting(Generic[S]):
    """The usage of all tenants that have entries, and `bytes`, their sum."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self._accounts: OrderedDict[str, TenantUsage[S]] = OrderedDict()
        self._classes: dict[int, FifoQueue[TenantUsage[S]]] = {}
        self._occupied = 0  # bit i: size class i has an account

    def __len__(self) -> int:
        return len(self._accounts)

    @property
    def part(self) -> int:
        """Bytes of an equal part."""
        return self.max_bytes // max(1, len(self._accounts))

    @property
    def floor(self) -> int:
        """Bytes below which no tenant loses anything to another now."""
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
        """Forget an account without entries."""
        self._leave(account)
        self.bytes -= account.bytes
        del self._accounts[account.tenant]
        if getsizeof(self._accounts) > _INDEX_BYTES * (len(self._accounts) + 16):
            self._accounts = OrderedDict(self._accounts)  # it does not shrink by itself

    def change(self, account: TenantUsage[S], weight: int) -> None:
        """Count `weight` bytes more, or less."""
        self.bytes += weight
        account.bytes += weight
        shift = max(account.bytes.bit_length() - 5, 0)  # `size_class`, without the call
        number = (shift << 4) + (account.bytes >> shift)
        if number == account.size_class:
            return
        if account.newer is account.older is None and number not in self._classes:
            self._classes[number] = self._classes.pop(account.size_class)  # with its only account
            self._occupied ^= 1 << number | 1 << account.size_class
            account.size_class = number
            return
        self._leave(account)
        account.size_class = number
        self._enter(account)

    def largest(self, but: TenantUsage[S]) -> TenantUsage[S] | None:
        """An account of the highest size class that has another than `but`."""
        occupied = self._occupied
        while occupied:
            top = occupied.bit_length() - 1
            account = self._classes[top].oldest
            if account is but:
                account = account.newer
            if account is not None:
                return account
            occupied ^= 1 << top
        return None

    def eviction_victim(self, account: TenantUsage[S], weight: int) -> TenantUsage[S]:
        """The account that evicts next so that `account` can take `weight` bytes more."""
        other = self.largest(but=account)
        if other is None:
            return account
        wanted = size_class(account.bytes + weight)
        is_largest = wanted >= other.size_class and account.entries.oldest is not None
        return account if is_largest else other

    def next_in_turn(self) -> TenantUsage[S] | None:
        """Each account in turn, one a call."""
        for tenant, account in self._accounts.items():
            self._accounts.move_to_end(tenant)
            return account
        return None

    def _enter(self, account: TenantUsage[S]) -> None:
        queue = self._classes.get(account.size_class)
        if queue is None:
            queue = self._classes[account.size_class] = FifoQueue()
            self._occupied |= 1 << account.size_class
        queue.add(account)

    def _leave(self, account: TenantUsage[S]) -> None:
        number = account.size_class
        queue = self._classes[number]
        if queue.oldest is account and account.newer is None:  # the only one
            del self._classes[number]
            self._occupied ^= 1 << number
            return
        queue.remove(account)
