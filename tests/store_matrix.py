"""Which rows of a parametrised test run on which store.

A test without rows runs on every store. The rows of a test with several run on one store each, in
turn, so that every row and every store has its test; all rows run on all stores with `--all`.
"""

from collections import defaultdict
from collections.abc import Iterable

import pytest

STORES = ("sqlite", "postgres")
_NAMES = {"sqlite": "sqlite", "postgres": "postgres", "postgresql": "postgres"}


def mark_other_stores(items: Iterable[pytest.Item]) -> None:
    """Marks a row `exhaustive` on the store whose turn it is not."""
    tests: defaultdict[str, dict[str, dict[str, pytest.Item]]] = defaultdict(dict)
    for item in items:
        store = store_of(item)
        if store is not None and item.get_closest_marker("exhaustive") is None:
            name, _, id = item.nodeid.partition("[")
            row = "-".join(word for word in id[:-1].split("-") if _NAMES.get(word) != store)
            tests[name].setdefault(row, {})[store] = item
    for rows in tests.values():
        if len(rows) > 1:
            for number, by_store in enumerate(rows.values()):
                _mark(by_store, STORES[number % len(STORES)])


def store_of(item: pytest.Item) -> str | None:
    """The store of a test that is parametrised by them."""
    callspec = getattr(item, "callspec", None)
    values = callspec.params.values() if callspec is not None else ()
    return next(
        (_NAMES[value] for value in values if isinstance(value, str) and value in _NAMES), None
    )


def _mark(by_store: dict[str, pytest.Item], kept: str) -> None:
    for store, item in by_store.items():
        if store != kept and len(by_store) > 1:
            item.add_marker(pytest.mark.exhaustive)
