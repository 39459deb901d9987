"""MACs of the rows that say who may do what: API keys, users, signing keys, refresh tokens.

Flows in: a row as the driver gives it, or the values to be stored. Flows out: its MAC, or the
values of a genuine row. Without the pepper nobody can make or change a row unseen; a row whose MAC
is missing or wrong is treated as if it were not there. An earlier state of the same row, put back
with the MAC that it had, is not recognised here.

mac = HMAC-SHA256(key, encoding(label, table, every covered column)), where `key` is derived from
the pepper by HKDF-SHA256 (RFC 5869). `last_used` is not covered: it gives no right, and is written
once a minute.
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
# In the order of the encoding. A column that is added later needs a new LABEL, or stays outside.
COVERED: Mapping[str, tuple[str, ...]] = {
    "api_keys": (
        "id", "tenant", "name", "digest", "scopes", "bootstrap", "created", "created_by",
        "expires", "revoked", "replaced_by",
    ),
    "users": (
        "id", "tenant", "email", "password", "role", "status", "valid_after", "created", "updated",
    ),
    "signing_keys": ("id", "purpose", "private", "public", "created", "retires"),
    "refresh_tokens": (
        "id", "family", "tenant", "user", "digest", "created", "expires", "used", "revoked",
    ),
}  # fmt: skip
NOT_COVERED = {"last_used", MAC}
TABLES = (api_keys, users, signing_keys, refresh_tokens)

_encode = msgspec.json.Encoder().encode
log = logging.getLogger("mobula.directory")


class RowAltered(Conflict):
    """The row was added or changed by something else than Mobula; it counts for nothing."""

    slug, title = "row-altered", "The store was changed from outside"

    def __init__(self, noun: str, id: str) -> None:
        super().__init__(
            f"The row of {noun} '{id[:63]}' was not written by this installation (see "
            "`mobula audit verify`); revoke or delete it, and make a new one.",
            param=noun,
        )


class RowMacs:
    """Makes and checks MACs under one pepper."""

    def __init__(self, pepper: bytes) -> None:
        self._key = HKDF(SHA256(), 32, salt=None, info=b"mobula row macs").derive(pepper)

    def signed(self, table: Table, values: Mapping[str, Any]) -> dict[str, Any]:
        """`values` with their MAC. Raises ValueError for values that the table does not take."""
        form = _FORMS[table.name]
        covered = form.covered_of([values.get(name) for name in form.columns])
        return {**values, MAC: self._mac(form.name, covered)}

    def genuine(self, table: Table, row: Row[Any]) -> dict[str, Any] | None:
        """The values of a row of `stored_values(table)`; None unless its MAC is right."""
        form = _FORMS[table.name]
        try:
            covered = form.covered_of(row)
            mac = row[form.mac]
            if isinstance(mac, bytes) and hmac.compare_digest(mac, self._mac(form.name, covered)):
                return form.values_of(row, covered)
        except ValueError:
            pass
        return None

    def all_genuine(self, table: Table, rows: Iterable[Row[Any]]) -> list[dict[str, Any]]:
        """Of those rows the genuine ones; the others are named in the log."""
        found, odd = [], []
        for row in rows:
            values = self.genuine(table, row)
            if values is None:
                odd.append(repr(row._mapping["id"])[:65])
            else:
                found.append(values)
        if odd:
            log.error(
                "%d rows of %s were not written by this installation and are refused (%s%s): "
                "run `mobula audit verify`",
                len(odd), table.name, ", ".join(odd[:5]), ", ..." if len(odd) > 5 else "",
            )  # fmt: skip
        return found

    def _mac(self, table: str, covered: Sequence[Any]) -> bytes:
        return hmac.digest(self._key, _encode((LABEL, table, covered)), "sha256")


def stored_values(table: Table) -> Select[Any]:
    """Every column as the driver gives it: an odd value is then the matter of its row alone."""
    columns: list[Any] = [type_coerce(each, NullType()).label(each.name) for each in table.columns]
    return select(*columns)


def as_stored(table: Table, row: Row[Any]) -> dict[str, Any]:
    """The values of a row of `stored_values(table)`, genuine or not.

    Raises ValueError if it is odd.
    """
    form = _FORMS[table.name]
    return form.values_of(row, form.covered_of(row))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("is not text")
    value.encode()  # raises UnicodeEncodeError, a ValueError, for a lone surrogate
    return str(value)


def _bytes(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("is not bytes")
    return value


def _number(value: Any) -> float:
    """Finite: JSON, in which it is encoded, has no other."""
    number = float(value) if isinstance(value, float | int) else float("nan")
    if number - number != 0.0:
        raise ValueError("is not a finite number")
    return number


def _flag(value: Any) -> bool:
    if value not in (0, 1):
        raise ValueError("is neither true nor false")
    return bool(value)


def _names(value: Any) -> list[str]:
    """A JSON list of texts, as its text or as what it says; in order."""
    try:
        found = json.loads(value) if isinstance(value, str) else value
    except RecursionError:
        raise ValueError("is not a list") from None
    if isinstance(found, str | bytes | Mapping) or not isinstance(found, Iterable):
        raise ValueError("is not a list")
    return sorted(map(_text, found))


Check = Callable[[Any], Any]


def _check_of(column: Column[Any]) -> Check:
    kinds: tuple[tuple[type, Check], ...] = (
        (JSON, _names),
        (LargeBinary, _bytes),
        (Float, _number),
        (Boolean, _flag),
    )
    return next((check for kind, check in kinds if isinstance(column.type, kind)), _text)


@dataclass(frozen=True, slots=True)
class _RowLayout:
    """How rows of a table are read: by place, because there may be ten thousand of them."""

    name: str
    columns: tuple[str, ...]
    covered: tuple[tuple[int, Check, bool], ...]  # place, check, whether it may be None
    names: tuple[str, ...]  # of the covered
    mac: int

    @classmethod
    def of(cls, table: Table) -> "_RowLayout":
        columns, names = tuple(table.columns.keys()), COVERED[table.name]
        checks = [(table.c[name], _check_of(table.c[name])) for name in names]
        covered = [
            (columns.index(column.key), check, bool(column.nullable)) for column, check in checks
        ]
        return cls(str(table.name), columns, tuple(covered), names, columns.index(MAC))

    def covered_of(self, row: Sequence[Any]) -> list[Any]:
        """The covered values, each of its column's type. Raises ValueError."""
        return [
            None if nullable and row[place] is None else check(row[place])
            for place, check, nullable in self.covered
        ]

    def values_of(self, row: Sequence[Any], covered: Sequence[Any]) -> dict[str, Any]:
        values = dict(zip(self.columns, row, strict=True))
        values.update(zip(self.names, covered, strict=True))
        return values


_FORMS = {table.name: _RowLayout.of(table) for table in TABLES}
