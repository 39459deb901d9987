"""API keys: shape, proof, storage."""

import contextlib
import hmac
import json
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from cluster.auth import keys
from cluster.auth.keys import KeyDirectory, admin_key, bootstrap, new_key, record_of, write_private
from cluster.clock import ManualClock
from cluster.problems import Unauthenticated
from cluster.settings import Settings
from cluster.tenants.caller import Scope

PEPPER = b"p" * 32
GIVEN = "mob_operator_" + "A1b2" * 8


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_key_finds_its_caller() -> None:
    key, record = new_key(PEPPER, "acme", [Scope.GENERATE], plan="pro", clock=ManualClock(wall=7.0))

    caller = KeyDirectory(PEPPER, [record]).verify(key)

    assert (caller.tenant, caller.key_id, caller.plan) == ("acme", record.id, "pro")
    assert caller.allows(Scope.GENERATE)
    assert not caller.allows(Scope.ADMIN)
    assert record.created == 7.0


def test_keys_differ_and_reveal_nothing_of_the_secret() -> None:
    pairs = [new_key(PEPPER, "acme", [Scope.GENERATE]) for _ in range(50)]

    assert len({record.id for _, record in pairs}) == 50
    for key, record in pairs:
        assert key.rpartition("_")[2] not in repr(record)


@pytest.mark.parametrize(
    "presented",
    [
        pytest.param("", id="empty"),
        pytest.param("mob_", id="prefix only"),
        pytest.param("sk-abcdefghijklmnopqrstuvwxyz", id="somebody else's"),
        pytest.param("mob_abcdefgh_short", id="short secret"),
        pytest.param("mob_abcdefgh_" + "x" * 65, id="long secret"),
        pytest.param("mob_abcdefgh_" + "é" * 32, id="not ascii"),
        pytest.param("mob_abcdefgh_" + "1" * 32 + "\n", id="trailing newline"),
        pytest.param(" " + GIVEN, id="leading space"),
        pytest.param("x" * 1_000_000, id="huge"),
        pytest.param(GIVEN, id="unknown id"),
    ],
)
def test_what_is_no_key_is_refused(presented: str) -> None:
    _, record = new_key(PEPPER, "acme", [Scope.GENERATE])

    with pytest.raises(Unauthenticated):
        KeyDirectory(PEPPER, [record]).verify(presented)


@given(st.text())
def test_any_text_is_refused_without_another_error(presented: str) -> None:
    with pytest.raises(Unauthenticated):
        KeyDirectory(PEPPER, [record_of(GIVEN, PEPPER, "acme", [])]).verify(presented)


def test_one_wrong_letter_is_refused() -> None:
    directory = KeyDirectory(PEPPER, [record_of(GIVEN, PEPPER, "acme", [])])
    for index in range(GIVEN.rindex("_") + 1, len(GIVEN)):
        wrong = GIVEN[:index] + ("0" if GIVEN[index] != "0" else "1") + GIVEN[index + 1 :]

        with pytest.raises(Unauthenticated):
            directory.verify(wrong)


def test_another_pepper_opens_nothing() -> None:
    record = record_of(GIVEN, PEPPER, "acme", [])

    with pytest.raises(Unauthenticated):
        KeyDirectory(b"q" * 32, [record]).verify(GIVEN)


@pytest.mark.parametrize("key", [GIVEN, "mob_stranger_" + "A1b2" * 8], ids=["known", "unknown"])
def test_known_and_unknown_ids_take_the_same_constant_time_steps(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[int, int]] = []

    def compare(a: bytes, b: bytes) -> bool:
        compared.append((len(a), len(b)))
        return hmac.compare_digest(a, b)

    directory = KeyDirectory(PEPPER, [record_of(GIVEN, PEPPER, "acme", [])])
    fake = type("hmac", (), {"digest": hmac.digest, "compare_digest": staticmethod(compare)})
    monkeypatch.setattr(keys, "hmac", fake)
    with contextlib.suppress(Unauthenticated):
        directory.verify(key)

    assert compared == [(32, 32)]


def test_a_badly_shaped_key_cannot_be_recorded() -> None:
    with pytest.raises(ValueError, match="mob_<id>_<secret>"):
        record_of("hunter2", PEPPER, "acme", [])


def test_the_first_start_makes_an_admin_key_and_later_ones_keep_it(tmp_path: Path) -> None:
    home = tmp_path / "home"

    first = bootstrap(home, Settings(home=home))
    again = bootstrap(home, Settings(home=home))

    assert first is not None
    assert again is None
    assert admin_key(home, Settings(home=home)) == first
    assert KeyDirectory.load(home).verify(first).allows(Scope.ADMIN)


def test_only_the_owner_can_read_what_is_kept(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)

    bootstrap(home, Settings(home=home))

    assert _mode(home) == 0o700
    assert {_mode(path) for path in home.iterdir()} == {0o600}
    assert {path.name for path in home.iterdir()} == {"keys.json", "pepper", "admin.key"}


def test_the_key_file_holds_no_key(tmp_path: Path) -> None:
    home = tmp_path / "home"

    key = bootstrap(home, Settings(home=home))

    assert key is not None
    assert key.rpartition("_")[2] not in (home / "keys.json").read_text()


def test_a_given_bootstrap_key_replaces_the_generated_one(tmp_path: Path) -> None:
    home = tmp_path / "home"
    generated = bootstrap(home, Settings(home=home))
    settings = Settings(home=home, bootstrap_key=SecretStr(GIVEN))

    shown = bootstrap(home, settings)

    assert generated is not None
    assert shown is None
    assert admin_key(home, settings) == GIVEN
    assert not (home / "admin.key").exists()
    directory = KeyDirectory.load(home)
    assert directory.verify(GIVEN).tenant == "default"
    with pytest.raises(Unauthenticated):
        directory.verify(generated)


def test_other_keys_survive_a_new_bootstrap_key(tmp_path: Path) -> None:
    home = tmp_path / "home"
    bootstrap(home, Settings(home=home))
    pepper = (home / "pepper").read_bytes()
    key, record = new_key(pepper, "acme", [Scope.GENERATE])
    keys.write_records(home, [*keys.read_records(home), record])

    bootstrap(home, Settings(home=home, bootstrap_key=SecretStr(GIVEN)))

    assert KeyDirectory.load(home).verify(key).tenant == "acme"


def test_a_removed_key_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "home"
    key = bootstrap(home, Settings(home=home))
    assert key is not None

    keys.write_records(home, [])

    with pytest.raises(Unauthenticated):
        KeyDirectory.load(home).verify(key)


def test_readers_see_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    write_private(path, _document(0))
    stop = threading.Event()
    broken: list[str] = []
    reader = threading.Thread(target=_read_until, args=(path, stop, broken.append))
    reader.start()

    for size in range(30):
        write_private(path, _document(size * 100))
    stop.set()
    reader.join()

    assert broken == []
    assert [each.name for each in tmp_path.iterdir()] == ["keys.json"]


def _document(size: int) -> bytes:
    return json.dumps({"keys": ["x" * size]}).encode()


def _read_until(path: Path, stop: threading.Event, report: Callable[[str], None]) -> None:
    while not stop.is_set():
        try:
            json.loads(path.read_bytes())
        except ValueError as error:
            report(str(error))


def test_a_failed_write_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "keys.json"
    write_private(path, b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keys.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_private(path, b"new")

    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["keys.json"]
