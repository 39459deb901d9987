"""MACs of rows that grant rights: API keys, users, signing keys, refresh tokens.

In: a row as the driver returns it, or values to store. Out: the MAC, or the values of a genuine
row. Without the pepper a row cannot be created or changed undetected; a row with a missing or wrong
MAC is ignored. A replay of an earlier state of a row, with its MAC, is not detected here.

mac = HMAC-SHA256(key, encoding(label, table, every covered column)), where `key` is derived from
the pepper by HKDF-SHA256 (RFC 5869). `last_used` is not covered: it grants no right and is written
often.
"""

import hmac
import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import Boolean, Column, Float, LargeBinary, Row, Select, Table, select, type_coerce
from sqlalchemy.types import JSON, NullType

from cluster.runtime.problems import Conflict
from cluster.storage.tables import api_keys, refresh_tokens, signing_keys, users

LABEL = "mobula row 1"
MAC = "mac"
# In the order of the encoding. A new column needs a new LABEL, or is not covered; or it is appended
# with NULL as its default, and left out at the end of the encoding while it is NULL: a list of
# another length is another encoding, so rows that have none of the new values keep their MACs.
COVERED: Mapping[str, tuple[str, ...]] = {
    "api_keys": (
        "id", "tenant", "name", "digest", "scopes", "bootstrap", "created", "created_by",
        "expires", "revoked", "replaced_by", "policy", "team", "account",
    ),
    "users": (
        "id", "tenant", "email", "password", "role", "status", "valid_after", "created", "updated",
    ),
    "signing_keys": ("id", "purpose", "private", "public", "created", "retires"),
    "refresh_tokens": (
        "id", "family", "tenant", "user", "digest", "created", "expires", "used", "revoked",
    ),
}  # fmt: skip
# The columns of the first encoding; those after them were appended.
FIRST: Mapping[str, int] = {"api_keys": 11}
NOT_COVERED = {"last_used", MAC}
TABLES = (api_keys, users, signing_keys, refresh_tokens)

_encode = msgspec.json.Encoder().encode
log = logging.getLogger("mobula.directory")


class RowAltered(Conflict):
    """The row was not written by this installation; it is invalid."""

    slug, title = "row-altered", "The store was changed from outside"

    def __init__(self, noun: str, id: str) -> None:
        super().__init__(
            f"The row of {noun} '{id[:63]}' was not written by this installation (see "
            "`mobula audit verify`); revoke or delete it, and make a new one.",
            param=noun,
        )


class RowMacs:
    """Computes and verifies MACs with one pepper."""

    def __init__(self, pepper: bytes) -> None:
        self._key = HKDF(SHA256(), 32, salt=None, info=b"mobula row macs").derive(pepper)

    def signed(self, table: Table, values: Mapping[str, Any]) -> dict[str, Any]:
        """`values` with their MAC. Raises ValueError for values of a wrong type."""
        layout = _LAYOUTS[table.name]
        covered = layout.covered_of([values.get(name) for name in layout.columns])
        return {**values, MAC: self._mac(layout, covered)}

    def genuine(self, table: Table, row: Row[Any]) -> dict[str, Any] | None:
        """The values of a row of `stored_values(table)`; None unless its MAC is valid."""
        layout = _LAYOUTS[table.name]
        try:
            covered = layout.covered_of(row)
            mac = row[layout.mac]
            if isinstance(mac, bytes) and hmac.compare_digest(mac, self._mac(layout, covered)):
                return layout.values_of(row, covered)
        except ValueError:
            pass
        return None

    def all_genuine(self, table: Table, rows: Iterable[Row[Any]]) -> list[dict[str, Any]]:
        """The values of the genuine rows; the others are logged."""
        genuine_rows, altered = [], []
        for row in rows:
            values = self.genuine(table, row)
            if values is None:
                altered.append(repr(row._mapping["id"])[:65])
            else:
                genuine_rows.append(values)
        if altered:
            log.error(
                "%d rows of %s were not written by this installation and are refused (%s%s): "
                "run `mobula audit verify`",
                len(altered),
                table.name,
                ", ".join(altered[:5]),
                ", ..." if len(altered) > 5 else "",
            )
        return genuine_rows

    def _mac(self, layout: "_RowLayout", covered: Sequence[Any]) -> bytes:
        count = len(covered)
        while count > layout.first and covered[count - 1] is None:
            count -= 1
        return hmac.digest(self._key, _encode((LABEL, layout.name, covered[:count])), "sha256")


def stored_values(table: Table) -> Select[Any]:
    """Selects every column untyped, so that an invalid value affects its row only."""
    columns: list[Any] = [
        type_coerce(column, NullType()).label(column.name) for column in table.columns
    ]
    return select(*columns)


def as_stored(table: Table, row: Row[Any]) -> dict[str, Any]:
    """The values of a row of `stored_values(table)`, genuine or not.

    Raises ValueError for values of a wrong type.
    """
    layout = _LAYOUTS[table.name]
    return layout.values_of(row, layout.covered_of(row))


def _check_text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("is not text")
    value.encode()  # raises UnicodeEncodeError, a ValueError, for a lone surrogate
    return str(value)


def _check_bytes(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("is not bytes")
    return value


def _check_number(value: Any) -> float:
    """A finite number, as the encoding is JSON."""
    number = float(value) if isinstance(value, float | int) else float("nan")
    if number - number != 0.0:
        raise ValueError("is not a finite number")
    return number


def _check_flag(value: Any) -> bool:
    if value not in (0, 1):
        raise ValueError("is neither true nor false")
    return bool(value)


def _check_names(value: Any) -> list[str]:
    """A JSON list of strings, encoded or decoded; sorted."""
    try:
        names = json.loads(value) if isinstance(value, str) else value
    except RecursionError:
        raise ValueError("is not a list") from None
    if isinstance(names, str | bytes | Mapping) or not isinstance(names, Iterable):
        raise ValueError("is not a list")
    return sorted(map(_check_text, names))


Check = Callable[[Any], Any]


def _check_of(column: Column[Any]) -> Check:
    kinds: tuple[tuple[type, Check], ...] = (
        (JSON, _check_names),
        (LargeBinary, _check_bytes),
        (Float, _check_number),
        (Boolean, _check_flag),
    )
    return next((check for kind, check in kinds if isinstance(column.type, kind)), _check_text)


@dataclass(frozen=True, slots=True)
class _RowLayout:
    """Column positions of a table: rows are read by position, as there may be ten thousand."""

    name: str
    columns: tuple[str, ...]
    covered: tuple[tuple[int, Check, bool], ...]  # position, check, whether it may be None
    names: tuple[str, ...]  # of the covered columns
    mac: int
    first: int  # columns of the first encoding

    @classmethod
    def of(cls, table: Table) -> "_RowLayout":
        columns, names = tuple(table.columns.keys()), COVERED[table.name]
        checks = [(table.c[name], _check_of(table.c[name])) for name in names]
        covered = [
            (columns.index(column.key), check, bool(column.nullable)) for column, check in checks
        ]
        first = FIRST.get(table.name, len(names))
        return cls(str(table.name), columns, tuple(covered), names, columns.index(MAC), first)

    def covered_of(self, row: Sequence[Any]) -> list[Any]:
        """The covered values, each of its column's type. Raises ValueError."""
        return [
            None if nullable and row[position] is None else check(row[position])
            for position, check, nullable in self.covered
        ]

    def values_of(self, row: Sequence[Any], covered: Sequence[Any]) -> dict[str, Any]:
        values = dict(zip(self.columns, row, strict=True))
        values.update(zip(self.names, covered, strict=True))
        return values


_LAYOUTS = {table.name: _RowLayout.of(table) for table in TABLES}
