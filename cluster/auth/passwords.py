"""Validates emails and passwords, and hashes and verifies passwords.

Passwords are stored as argon2id hashes (RFC 9106), which include the parameters: a hash of older
parameters is replaced at the next sign-in. Hashing takes tens of milliseconds and tens of
megabytes, so it runs in threads with limited concurrency, and for sign-ins one at a time per
address.
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
MAX_CONCURRENT, MAX_WAITING = 2, 64  # hashes that run, and that may wait
MAX_WAITING_BY_SOURCE = 4  # of one address, the running one included


@dataclass(frozen=True, slots=True)
class PasswordCheck:
    """Whether the password is right; `rehashed`, if not None, replaces the stored hash."""

    right: bool
    rehashed: str | None = None


def normalised_email(text: str) -> str:
    """The email in the form that is stored and compared: stripped, in lower case.

    Raises InvalidRequest unless it is an ASCII address of the form name@host.tld.
    """
    email = text.strip().lower()
    if len(email) > MAX_EMAIL or EMAIL.fullmatch(email) is None:
        raise InvalidRequest(
            f"'email' must be an address such as ana@acme.example, up to {MAX_EMAIL} characters.",
            param="email",
        )
    return email


@dataclass(slots=True)
class _ClientAttempts:
    """Running and waiting attempts of one address."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0


class Passwords:
    """Password hashing of one process. Create it on the event loop that uses it."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turn = asyncio.Semaphore(MAX_CONCURRENT)
        self._waiting = 0
        self._sources: dict[str, _ClientAttempts] = {}
        self._dummy_hash: str | None = None

    async def hash(self, password: str, email: str, param: str = "password") -> str:
        """The hash to store. Raises InvalidRequest for `param` if the password is not accepted."""
        check_password(password, email, param)
        return await self._run(self._hash, password)

    async def verify(self, stored: str | None, password: str, source: str = "") -> PasswordCheck:
        """Compares with a stored hash; None (an unknown user) takes as long as a wrong password.

        `source` is the client's address (throttle.py). Raises RateLimited if too many attempts of
        this address are waiting, Overloaded if too many of all are.
        """
        async with self._source_turn(source):
            return await self._run(self._verify, stored, password)

    @asynccontextmanager
    async def _source_turn(self, source: str) -> AsyncIterator[None]:
        attempts = self._sources.setdefault(source, _ClientAttempts())
        if attempts.waiting >= MAX_WAITING_BY_SOURCE:
            raise RateLimited("Too many sign-ins from your address at once.", 1.0, LIMIT)
        attempts.waiting += 1
        try:
            async with attempts.turn:
                yield
        finally:
            attempts.waiting -= 1
            if not attempts.waiting:
                self._sources.pop(source, None)

    async def _run(self, work: Callable[..., T], *arguments: object) -> T:
        if self._waiting >= MAX_WAITING:
            raise Overloaded("Too many sign-ins at once.", retry_after_s=2.0)
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(work, *arguments)
        finally:
            self._waiting -= 1

    def _hash(self, password: str) -> str:
        return self._hasher.hash(_encode(password))

    def _verify(self, stored: str | None, password: str) -> PasswordCheck:
        is_comparable = stored is not None and len(password) <= MAX_LENGTH
        hash_to_check = stored if stored is not None and is_comparable else self._get_dummy_hash()
        try:
            self._hasher.verify(hash_to_check, _encode(password[:MAX_LENGTH]))
        except (VerificationError, InvalidHashError):
            return PasswordCheck(False)
        if not is_comparable:
            return PasswordCheck(False)
        stale = self._hasher.check_needs_rehash(hash_to_check)
        return PasswordCheck(True, self._hash(password) if stale else None)

    def _get_dummy_hash(self) -> str:
        """A hash with the current parameters that matches no password."""
        if self._dummy_hash is None:
            self._dummy_hash = self._hasher.hash(_encode("nobody"))
        return self._dummy_hash


def check_password(password: str, email: str, param: str = "password") -> None:
    """Raises InvalidRequest unless it is long enough and not the email."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise InvalidRequest(
            f"'{param}' must have {MIN_LENGTH} to {MAX_LENGTH} characters.", param=param
        )
    if password.strip().lower() == email:
        raise InvalidRequest(f"'{param}' must not be the email.", param=param)
    if len(set(password)) < 4:
        raise InvalidRequest(f"'{param}' has too few different characters.", param=param)


def _encode(password: str) -> bytes:
    """Normalizes to NFKC, so that the same text from another machine has the same bytes."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
