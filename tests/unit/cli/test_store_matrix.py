"""Rows of a matrix on one store each, in turn; everything else on all of them."""

from types import SimpleNamespace
from typing import Any

import pytest

from tests.store_matrix import mark_other_stores


class Item:
    """What is read of a pytest item."""

    def __init__(self, name: str, marks: tuple[str, ...] = (), **params: Any) -> None:
        self.nodeid = f"test_x.py::{name}[{'-'.join(map(str, params.values()))}]"
        self.callspec = SimpleNamespace(params=params)
        self.marks = list(marks)

    def get_closest_marker(self, name: str) -> str | None:
        return name if name in self.marks else None

    def add_marker(self, mark: pytest.MarkDecorator) -> None:
        self.marks.append(mark.name)


def run_of(*items: Item) -> list[str]:
    mark_other_stores(items)  # type: ignore[arg-type]
    return [item.nodeid.partition("::")[2] for item in items if "exhaustive" not in item.marks]


def test_each_row_runs_on_one_store_and_each_store_has_rows() -> None:
    items = [Item("rows", url=url, n=n) for n in range(3) for url in ("sqlite", "postgres")]

    assert run_of(*items) == ["rows[sqlite-0]", "rows[postgres-1]", "rows[sqlite-2]"]


def test_a_test_without_rows_runs_on_every_store() -> None:
    assert run_of(Item("one", url="sqlite"), Item("one", url="postgres")) == [
        "one[sqlite]",
        "one[postgres]",
    ]


def test_rows_that_run_with_all_only_take_no_turn() -> None:
    marks = ("exhaustive",)
    long = [Item("rows", marks, url=url, n=9) for url in ("sqlite", "postgres")]
    items = [Item("rows", world=url, n=1) for url in ("sqlite", "postgresql")]

    assert run_of(*long, *items) == ["rows[sqlite-1]", "rows[postgresql-1]"]


def test_a_row_of_one_store_runs() -> None:
    items = [Item("rows", url="sqlite", n=n) for n in range(2)]

    assert run_of(*items) == ["rows[sqlite-0]", "rows[sqlite-1]"]


def test_other_parameters_mean_nothing() -> None:
    items = [Item("rows", value=value, n=n) for value in (None, 3, "x") for n in range(2)]

    assert len(run_of(*items)) == len(items)
