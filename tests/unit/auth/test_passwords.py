"""Emails and passwords: what is accepted, and that nobody learns who exists."""

import asyncio
import threading

import pytest
from argon2 import PasswordHasher
from argon2.profiles import RFC_9106_LOW_MEMORY

from cluster.auth import passwords as module
from cluster.auth.passwords import Passwords, normalised_email
from cluster.runtime.problems import InvalidRequest, Overloaded, RateLimited

EMAIL, PASSWORD = "ana@acme.example", "correct horse battery"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class CountingHasher(PasswordHasher):
    """Cheap, and knows how many verifications it was asked for."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.verified: list[str] = []
        self.threads: set[str] = set()

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:
        self.verified.append(str(hash))
        self.threads.add(threading.current_thread().name)
        return bool(super().verify(hash, password))


@pytest.mark.parametrize(
    ("text", "email"),
    [
        ("ana@acme.example", "ana@acme.example"),
        (" ANA@Acme.Example\n", "ana@acme.example"),
        ("a+b.c_d@sub.acme.co", "a+b.c_d@sub.acme.co"),
    ],
)
def test_emails_are_compared_without_case_or_space(text: str, email: str) -> None:
    assert normalised_email(text) == email


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ana",
        "ana@",
        "@acme.example",
        "ana@acme",
        "ana@@acme.example",
        "a na@acme.example",
        "ana@acme.example\r\nBcc: x@y.z",
        "ana\x00@acme.example",
        "ana@-acme.example",
        "ana@acme..example",
        "аna@acme.example",  # a Cyrillic letter
        "ana@" + "a" * 260 + ".example",
        "a" * 65 + "@acme.example",
        "\ud800@acme.example",
    ],
)
def test_what_is_no_email_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        normalised_email(text)
    assert refused.value.param == "email"


@pytest.mark.parametrize(
    ("password", "why"),
    [
        pytest.param("a" * 11, "12 to 128", id="short"),
        pytest.param("ab" * 65, "12 to 128", id="long"),
        pytest.param("Ana@Acme.example", "must not be the email", id="the email"),
        pytest.param("aaaaaaaaaaaab", "too few", id="one letter"),
    ],
)
async def test_a_bad_password_is_refused_before_it_is_hashed(password: str, why: str) -> None:
    with pytest.raises(InvalidRequest, match=why) as refused:
        await Passwords(CHEAP).hash(password, EMAIL)
    assert refused.value.param == "password"


@pytest.mark.parametrize(
    "password", ["abcd" * 3, "ábcd€🙂 " * 4, "abcd" * 32, "\ud800abcdefghijkl"]
)
async def test_a_password_opens_its_own_hash_only(password: str) -> None:
    passwords = Passwords(CHEAP)
    stored = await passwords.hash(password, EMAIL)

    assert (await passwords.verify(stored, password)).right
    assert not (await passwords.verify(stored, password[:-1])).right
    assert not (await passwords.verify(stored, password + "x")).right
    assert not (await passwords.verify(stored, "")).right


async def test_hashes_are_argon2id_salted_and_as_dear_as_the_rfc_says() -> None:
    default, first = Passwords(), await Passwords(CHEAP).hash(PASSWORD, EMAIL)

    assert await Passwords(CHEAP).hash(PASSWORD, EMAIL) != first
    assert first.startswith("$argon2id$v=19$")
    assert default._hasher.memory_cost >= RFC_9106_LOW_MEMORY.memory_cost
    assert default._hasher.time_cost >= RFC_9106_LOW_MEMORY.time_cost


async def test_an_unknown_user_costs_one_verification_of_the_same_parameters() -> None:
    hasher = CountingHasher()
    passwords = Passwords(hasher)
    stored = await passwords.hash(PASSWORD, EMAIL)
    await passwords.verify(None, PASSWORD)
    hasher.verified.clear()

    for known in (stored, None):
        assert not (await passwords.verify(known, "wrong horse battery")).right
    assert not (await passwords.verify(None, "nobody")).right

    assert len(hasher.verified) == 3
    assert {each.rsplit("$", 2)[0] for each in hasher.verified} == {stored.rsplit("$", 2)[0]}


async def test_a_stored_hash_that_is_broken_opens_nothing() -> None:
    for stored in ("", "plain text password", "$argon2id$v=19$m=8,t=1,p=1$"):
        assert not (await Passwords(CHEAP).verify(stored, stored)).right


async def test_a_hash_of_other_parameters_is_made_anew_only_for_the_right_password() -> None:
    stored = await Passwords(CHEAP).hash(PASSWORD, EMAIL)
    dearer = Passwords(PasswordHasher(time_cost=2, memory_cost=8, parallelism=1))

    wrong = await dearer.verify(stored, "wrong horse battery")
    right = await dearer.verify(stored, PASSWORD)

    assert (wrong.right, wrong.rehashed) == (False, None)
    assert right.rehashed is not None
    assert (await dearer.verify(right.rehashed, PASSWORD)) == module.PasswordCheck(True)


async def test_hashing_leaves_the_loop_free_and_its_queue_is_bounded() -> None:
    hasher = CountingHasher()
    passwords = Passwords(hasher)
    attempts = [passwords.verify(None, PASSWORD, str(n)) for n in range(module.MAX_WAITING + 5)]

    ends = await asyncio.gather(*attempts, return_exceptions=True)

    assert sum(isinstance(end, Overloaded) for end in ends) == 5
    assert threading.current_thread().name not in hasher.threads
    assert not (await passwords.verify(None, PASSWORD)).right


async def test_one_address_has_one_hash_under_way_and_a_short_queue() -> None:
    hasher = CountingHasher()
    passwords = Passwords(hasher)
    flood = [passwords.verify(None, PASSWORD, "here") for _ in range(50)]
    other = passwords.verify(None, PASSWORD, "there")

    ends = await asyncio.gather(*flood, other, return_exceptions=True)

    refused = [end for end in ends[:50] if isinstance(end, RateLimited)]
    assert len(refused) == 50 - module.MAX_WAITING_BY_SOURCE
    assert isinstance(ends[50], module.PasswordCheck)
    assert (await passwords.verify(None, PASSWORD, "here")) == module.PasswordCheck(False)
