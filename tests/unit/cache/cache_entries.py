"""Entries and names for tests of the memory tier."""

from dataclasses import replace

from deployments.contracts.cache import Entry, Ttls

LIVES = Ttls(soft=60, hard=600, error=3600)
_PLAIN = Entry("t", "m", as_of=0, created=1_700_000_000.0, took_s=1.0, lives=LIVES, body=b"")


def entry(tenant: str = "t", body: bytes = b"", **fields: object) -> Entry:
    return replace(_PLAIN, tenant=tenant, body=body, **fields)  # type: ignore[arg-type]


def name_of(number: int, kind: str = "answer") -> bytes:
    """32 bytes, as a key has."""
    return f"{kind}{number}".encode().rjust(32, b".")
