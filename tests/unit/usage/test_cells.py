"""Rows of usage from cells: sums by key and by dimension are of the same usage."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from cluster.tenants.units import Unit
from cluster.usage.cells import WIDTH, Cell, to_batch
from cluster.usage.dimensions import CallDimensions
from cluster.usage.prices import UNITS

INPUT, CACHED = UNITS.index(Unit.INPUT_TOKENS), UNITS.index(Unit.CACHED_TOKENS)
OUTPUT, REASONING = UNITS.index(Unit.OUTPUT_TOKENS), UNITS.index(Unit.REASONING_TOKENS)
PROVIDERS = {"gpt": "openai"}

rates = st.lists(st.integers(0, 1_000), min_size=len(UNITS), max_size=len(UNITS))


@st.composite
def cells(draw: st.DrawFn) -> Cell:
    names = draw(st.tuples(*(st.sampled_from("ab"),) * 2, st.sampled_from(("nano", "gpt"))))
    counts = draw(st.lists(st.integers(0, 1_000), min_size=WIDTH, max_size=WIDTH))
    counts[CACHED] = min(counts[CACHED], counts[INPUT])
    counts[REASONING] = min(counts[REASONING], counts[OUTPUT])
    tags = tuple(draw(st.lists(st.sampled_from("xyz"), max_size=3)))
    named = CallDimensions(draw(st.sampled_from(("", "web"))), draw(st.sampled_from("uv")), tags)
    where = (*names, draw(st.integers(20_000, 20_001)))
    return Cell(where, draw(rates), draw(rates), counts, named)


def money(cell: Cell) -> tuple[int, int]:
    """Cost and revenue, unit by unit."""
    amounts = list(cell.counts)
    amounts[INPUT] -= amounts[CACHED]
    amounts[OUTPUT] -= amounts[REASONING]
    cost, revenue = cell.counts[-1], 0
    for amount, rate, price in zip(amounts, cell.costs, cell.prices, strict=False):
        cost, revenue = cost + amount * rate, revenue + amount * price
    return cost, revenue


@given(st.lists(cells(), max_size=6))
def test_both_tables_hold_the_usage_of_the_cells(given_cells: list[Cell]) -> None:
    batch = to_batch(given_cells, lambda model: PROVIDERS.get(model, "local"))

    expected = [money(cell) for cell in given_cells]
    assert sum(row.cost for row in batch.usage) == sum(cost for cost, _ in expected)
    assert sum(row.revenue for row in batch.usage) == sum(revenue for _, revenue in expected)
    sums: dict[str, dict[tuple[str, ...], tuple[int, ...]]] = defaultdict(dict)
    for name, rows in (("usage", batch.usage), ("provider", batch.dimensions)):
        for row in rows:
            if name == "usage" or getattr(row, "dimension", "") == "provider":
                of = (row.tenant, row.day, row.model, row.unit)
                old = sums[name].get(of, (0, 0, 0))
                sums[name][of] = tuple(a + b for a, b in zip(old, row[-3:], strict=True))
    assert sums["usage"] == sums["provider"]


@given(st.lists(cells(), max_size=6))
def test_a_cell_counts_once_for_each_of_its_values(given_cells: list[Cell]) -> None:
    batch = to_batch(given_cells, lambda _: "local")

    expected: dict[tuple[str, str], int] = defaultdict(int)
    for cell in given_cells:
        for value in set(cell.dimensions.values("local")):
            expected[value] += cell.counts[INPUT]
    found: dict[tuple[str, str], int] = defaultdict(int)
    for row in batch.dimensions:
        if row.unit == Unit.INPUT_TOKENS:
            found[row.dimension, row.value] += row.amount
    assert found == {value: amount for value, amount in expected.items() if amount}


@given(st.lists(cells(), max_size=6))
def test_rows_are_in_the_order_of_their_keys_and_each_is_there_once(
    given_cells: list[Cell],
) -> None:
    batch = to_batch(given_cells, lambda _: "local")

    for rows in (batch.usage, batch.dimensions):
        keys = [row[:-3] for row in rows]
        assert keys == sorted(set(keys))
