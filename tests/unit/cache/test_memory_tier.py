"""The memory tier: what it finds, what it forgets, and who gives up room for whom."""

import pytest

from cluster.runtime.clock import ManualClock
from deployments.cache.tiers.memory import MemoryTier
from deployments.contracts.cache import Entry
from tests.unit.cache.cache_entries import LIVES, entry, name_of

BUDGET = 65_536


def tier(max_bytes: int = BUDGET, ceiling_share: float = 1.0) -> MemoryTier:
    return MemoryTier(max_bytes, ManualClock(), ceiling_share=ceiling_share)


def entries_of(memory: MemoryTier, kept: dict[bytes, Entry], tenant: str) -> list[bytes]:
    return [key for key, one in kept.items() if one.tenant == tenant and memory.get(key)]


def fill(memory: MemoryTier, tenant: str, count: int, size: int = 1000) -> dict[bytes, Entry]:
    kept = {}
    for number in range(count):
        key = name_of(number, tenant)
        kept[key] = entry(tenant, bytes(size))
        memory.put(key, kept[key])
    return kept


def test_what_was_put_is_found_as_it_was() -> None:
    memory, put = tier(), entry(body=b"answer", tags=("a", "b"))

    held = memory.put(b"k", put)

    assert memory.get(b"k") is held
    assert held is not None
    assert held.entry is put


def test_a_later_put_replaces_the_earlier() -> None:
    memory = tier()
    memory.put(b"k", entry(body=b"old"))

    memory.put(b"k", entry(body=b"new"))

    found = memory.get(b"k")
    assert found is not None
    assert found.entry.body == b"new"
    assert memory.figures()["entries"] == 1


def test_a_put_that_is_refused_leaves_nothing_older_behind() -> None:
    memory = tier()
    memory.put(b"k", entry(body=b"old"))

    assert memory.put(b"k", entry(body=bytes(BUDGET))) is None

    assert memory.get(b"k") is None
    assert memory.figures()["refused"] == 1


def test_nothing_is_found_after_remove_and_clear() -> None:
    memory = tier()
    for key in (b"a", b"b", b"c"):
        memory.put(key, entry("t" if key != b"c" else "u"))

    memory.remove(b"a")
    assert memory.get(b"a") is None
    memory.clear_tenant("t")
    assert memory.get(b"b") is None
    assert memory.get(b"c") is not None
    memory.clear()
    assert memory.get(b"c") is None
    assert memory.figures()["bytes"] == memory.figures()["tenants"] == 0


def test_one_tenant_never_holds_more_than_the_ceiling() -> None:
    memory = tier(ceiling_share=0.5)

    fill(memory, "t", 200)

    assert BUDGET * 0.4 < memory.figures()["bytes"] <= BUDGET * 0.5
    assert memory.put(b"k", entry(body=bytes(BUDGET // 2))) is None


def test_room_that_others_leave_is_used() -> None:
    memory = tier()
    fill(memory, "small", 1)

    fill(memory, "big", 200)

    assert memory.figures()["bytes"] > BUDGET * 0.95


def test_a_flood_pays_for_itself() -> None:
    memory = tier()
    modest = fill(memory, "modest", 10)

    for number in range(2000):
        memory.put(name_of(number, "flood"), entry("flood", bytes(500)))

    assert len(entries_of(memory, modest, "modest")) == 10


def test_a_newcomer_gets_an_equal_part_from_whoever_holds_the_most() -> None:
    memory = tier()
    fill(memory, "first", 200)

    kept = fill(memory, "second", 200)

    held = sum(len(kept[key].body) for key in entries_of(memory, kept, "second"))
    assert held > BUDGET * 0.2  # bodies alone; with what they cost it is near a half


def test_a_thing_bigger_than_an_equal_part_takes_only_what_the_biggest_can_spare() -> None:
    memory = tier()
    hog = fill(memory, "hog", 30)
    small = {}
    for number in range(8):
        small |= fill(memory, f"small{number}", 1)

    assert memory.put(b"k", entry("new", bytes(15_000))) is not None
    assert memory.put(b"l", entry("newer", bytes(40_000))) is None

    assert sum(1 for key in small if memory.get(key)) == len(small)
    assert len(entries_of(memory, hog, "hog")) > 3


def test_dead_entries_make_room_bit_by_bit() -> None:
    clock = ManualClock()
    memory = MemoryTier(BUDGET, clock)
    for number in range(10):
        tenant = f"gone{number}"
        memory.put(name_of(number), entry(tenant, created=clock.wall()))
    clock.advance(LIVES.error)

    for number in range(11):
        memory.put(name_of(number, "new"), entry("here", created=clock.wall()))

    assert memory.figures()["swept"] == 10
    assert memory.figures()["tenants"] == 1


def test_those_who_came_once_make_room_for_those_who_stay() -> None:
    clock = ManualClock()
    memory = MemoryTier(BUDGET, clock, idle_s=300)
    for number in range(100):
        memory.put(name_of(number), entry(f"once{number}"))
    crowd = memory.figures()["tenants"]
    assert crowd > 20

    stays: set[bytes] = set()
    for number in range(300):
        clock.advance(10)
        stays.add(name_of(number % 20, "stays"))
        for key in stays:
            if memory.get(key) is None:
                memory.put(key, entry("stays", created=clock.wall()))

    assert memory.figures()["tenants"] < crowd
    assert all(memory.get(key) for key in stays)


def test_a_tenant_who_uses_what_it_has_is_not_idle() -> None:
    clock = ManualClock()
    memory = MemoryTier(BUDGET, clock, idle_s=300)
    modest = fill(memory, "modest", 5)

    for number in range(200):
        clock.advance(10)
        memory.get(name_of(number % 5, "modest"))
        memory.put(name_of(number, "flood"), entry("flood", bytes(3000), created=clock.wall()))

    assert len(entries_of(memory, modest, "modest")) == 5


def test_an_alias_finds_what_its_key_finds() -> None:
    memory = tier()
    held = memory.put(b"key", entry())

    assert memory.put_alias(b"alias", b"key")

    assert memory.get_by_alias(b"alias") is held
    assert memory.get(b"alias") is None


def test_an_alias_of_nothing_is_not_kept() -> None:
    memory = tier()

    assert not memory.put_alias(b"alias", b"key")

    memory.put(b"key", entry())
    assert memory.get_by_alias(b"alias") is None


def test_an_alias_finds_nothing_once_its_entry_is_gone() -> None:
    memory = tier()
    memory.put(b"key", entry())
    memory.put_alias(b"alias", b"key")

    memory.remove(b"key")

    assert memory.get_by_alias(b"alias") is None
    assert memory.figures()["aliases"] == memory.figures()["bytes"] == 0


def test_a_flood_of_aliases_does_not_cost_the_answer_that_is_used() -> None:
    memory = tier()
    memory.put(b"key", entry())

    for number in range(1000):
        assert memory.put_alias(name_of(number), b"key")

    assert memory.get(b"key") is not None
    assert memory.get_by_alias(name_of(999)) is not None


def test_a_view_is_kept_with_its_entry_and_counted() -> None:
    memory = tier()
    held = memory.put(b"key", entry())
    assert held is not None
    before = memory.figures()["bytes"]

    assert memory.add_rendered(held, "chat", bytes(5000))
    assert held.views == {"chat": bytes(5000)}
    assert 5000 < memory.figures()["bytes"] - before < 5400

    assert memory.add_rendered(held, "chat", b"")
    assert memory.figures()["bytes"] - before < 400
    memory.remove(b"key")
    assert memory.figures()["bytes"] == 0


def test_a_view_is_refused_where_it_does_not_fit_or_its_entry_is_gone() -> None:
    memory = tier()
    held = memory.put(b"key", entry())
    assert held is not None

    assert not memory.add_rendered(held, "big", bytes(BUDGET))
    assert memory.get(b"key") is held
    for number in range(5):
        assert memory.add_rendered(held, str(number), b"")
    assert not memory.add_rendered(held, "one too many", b"")
    memory.remove(b"key")
    assert not memory.add_rendered(held, "0", b"late")


@pytest.mark.parametrize(("budget", "share"), [(1000, 0.5), (BUDGET, 0.0), (BUDGET, 1.1)])
def test_a_budget_that_makes_no_sense_is_refused(budget: int, share: float) -> None:
    with pytest.raises(ValueError, match="at least|at most"):
        tier(budget, share)
