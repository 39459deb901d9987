"""What the memory tier promises, whatever is done to it in whatever order."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from cluster.runtime.clock import ManualClock
from deployments.cache.tiers.memory import MemoryTier
from deployments.contracts.cache import Entry
from tests.unit.cache.cache_entries import entry, name_of

BUDGET = 65_536

TENANTS = st.integers(0, 5)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), TENANTS, st.integers(0, 40), st.integers(0, 3000)),
        st.tuples(st.just("put"), TENANTS, st.integers(0, 40), st.integers(0, 60_000)),
        st.tuples(st.just("alias"), TENANTS, st.integers(0, 40), st.integers(0, 40)),
        st.tuples(st.just("view"), TENANTS, st.integers(0, 40), st.integers(0, 20_000)),
        st.tuples(st.just("get"), TENANTS, st.integers(0, 40), st.just(0)),
        st.tuples(st.just("remove"), TENANTS, st.integers(0, 40), st.just(0)),
        st.tuples(st.just("clear"), TENANTS, st.just(0), st.just(0)),
    ),
    min_size=20,
    max_size=150,
)


class Watched:
    """A tier with what its promises are judged by: what each tenant's things weigh, last known."""

    def __init__(self) -> None:
        self.memory = MemoryTier(BUDGET, ManualClock(), ceiling_share=1.0)
        self.put: dict[bytes, Entry] = {}

    def step(self, what: str, tenant: str, number: int, size: int) -> None:
        memory, key = self.memory, name_of(number, tenant)
        if what == "put":
            self.put[key] = entry(tenant, bytes([number]) * size)
            memory.put(key, self.put[key])
        elif what == "alias":
            memory.put_alias(name_of(size, tenant + "alias"), key)
        elif what == "view" and (held := memory.get(key)) is not None:
            memory.add_rendered(held, str(size % 7), bytes(size))
        elif what == "remove":
            memory.remove(key)
            assert memory.get(key) is None
        elif what == "clear":
            memory.clear_tenant(tenant)
            assert not any(memory.get(name_of(n, tenant)) for n in range(41))

    def weights(self) -> dict[str, int]:
        """Each tenant's bytes, as its account has them."""
        return {
            tenant: account.bytes
            for tenant in self.memory._shares.tenants
            if (account := self.memory._shares.find(tenant)) is not None
        }


@given(STEPS)
def test_its_promises_hold_whatever_is_done(steps: list[tuple[str, int, int, int]]) -> None:
    watched = Watched()

    for what, number, place, size in steps:
        tenant = str(number)
        before, swept = watched.weights(), watched.memory.figures()["swept"]
        watched.step(what, tenant, place, size)
        after = watched.weights()

        assert sum(after.values()) == watched.memory.figures()["bytes"] <= BUDGET
        if watched.memory.figures()["swept"] > swept:
            continue  # an alias of nothing was swept out: nobody lost an answer
        part = BUDGET / len(before.keys() | {tenant})
        for other in before.keys() - {tenant}:
            assert after.get(other) == before[other] or before[other] >= part * 15 / 16

    found = defaultdict(list)
    for key, put in watched.put.items():
        held = watched.memory.get(key)
        assert held is None or held.entry is put
        found[put.tenant].append(held)
    for tenant, weight in watched.weights().items():
        kept = sum(held.weight for held in found[tenant] if held is not None)
        assert kept < weight  # the rest is the account, and aliases
