"""Emails and passwords: what is accepted, and how a password is kept and checked.

Passwords are kept as argon2id (RFC 9106) with its parameters in the hash, so that they can be
raised later: a hash of older parameters is made anew when its user signs in. Hashing takes tens of
milliseconds and tens of megabytes, so it runs in threads, a few at a time, and of those who are not
signed in yet one at a time for each address.
"""

import asyncio
import re
import unicodedata
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from cluster.auth.throttle import LIMIT
from cluster.runtime.problems import InvalidRequest, Overloaded, RateLimited

T = TypeVar("T")
MIN_LENGTH, MAX_LENGTH = 12, 128
MAX_EMAIL = 254
EMAIL = re.compile(
    r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
    r"(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+",
    re.ASCII,
)
AT_ONCE, WAITING = 2, 64  # hashes that run, and that may wait for one
WAITING_BY_SOURCE = 4  # of one address, the one that runs included


@dataclass(frozen=True, slots=True)
class PasswordCheck:
    """Whether the password is right; `rehashed` replaces the stored hash when it is not None."""

    right: bool
    rehashed: str | None = None


def normalised_email(text: str) -> str:
    """How an email is kept and compared: without space around it, in lower case.

    Raises InvalidRequest for what is no address of the form name@host.tld in ASCII.
    """
    email = text.strip().lower()
    if len(email) > MAX_EMAIL or EMAIL.fullmatch(email) is None:
        raise InvalidRequest(
            f"'email' is an address such as ana@acme.example, up to {MAX_EMAIL} characters.",
            param="email",
        )
    return email


@dataclass(slots=True)
class _ClientAttempts:
    """What one address has under way."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0


class Passwords:
    """One process's hashing. Make it on the loop that uses it."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._sources: dict[str, _ClientAttempts] = {}
        self._nobody: str | None = None

    async def hash(self, password: str, email: str, param: str = "password") -> str:
        """The hash to keep. Raises InvalidRequest, naming `param`, when the rules refuse it."""
        check_password(password, email, param)
        return await self._in_turn(self._hash, password)

    async def verify(self, stored: str | None, password: str, source: str = "") -> PasswordCheck:
        """Compare with a stored hash; None (an unknown user) takes as long as a wrong password.

        `source` is the address that asks (throttle.py). Raises RateLimited when too many of its
        own are waiting, Overloaded when too many in all are.
        """
        async with self._turn_of(source):
            return await self._in_turn(self._verify, stored, password)

    @asynccontextmanager
    async def _turn_of(self, source: str) -> AsyncIterator[None]:
        mine = self._sources.setdefault(source, _ClientAttempts())
        if mine.waiting >= WAITING_BY_SOURCE:
            raise RateLimited("Too many sign-ins from your address at once.", 1.0, LIMIT)
        mine.waiting += 1
        try:
            async with mine.turn:
                yield
        finally:
            mine.waiting -= 1
            if not mine.waiting:
                self._sources.pop(source, None)

    async def _in_turn(self, work: Callable[..., T], *arguments: object) -> T:
        if self._waiting >= WAITING:
            raise Overloaded("Too many sign-ins at once.", retry_after_s=2.0)
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(work, *arguments)
        finally:
            self._waiting -= 1

    def _hash(self, password: str) -> str:
        return self._hasher.hash(_encoded(password))

    def _verify(self, stored: str | None, password: str) -> PasswordCheck:
        known = stored is not None and len(password) <= MAX_LENGTH
        against = stored if stored is not None and known else self._stand_in()
        try:
            self._hasher.verify(against, _encoded(password[:MAX_LENGTH]))
        except (VerificationError, InvalidHashError):
            return PasswordCheck(False)
        if not known:
            return PasswordCheck(False)
        stale = self._hasher.check_needs_rehash(against)
        return PasswordCheck(True, self._hash(password) if stale else None)

    def _stand_in(self) -> str:
        """A hash that no password opens, of today's parameters."""
        if self._nobody is None:
            self._nobody = self._hasher.hash(_encoded("nobody"))
        return self._nobody


def check_password(password: str, email: str, param: str = "password") -> None:
    """Raises InvalidRequest unless it is long enough and not the email."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise InvalidRequest(f"'{param}' is {MIN_LENGTH} to {MAX_LENGTH} characters.", param=param)
    if password.strip().lower() == email:
        raise InvalidRequest(f"'{param}' is the email.", param=param)
    if len(set(password)) < 4:
        raise InvalidRequest(f"'{param}' repeats too few characters.", param=param)


def _encoded(password: str) -> bytes:
    """NFKC, so that the same keys pressed on another machine give the same bytes."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
