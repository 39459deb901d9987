"""Private files: replaced in one step or not at all."""

import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.storage import files
from cluster.storage.files import write_private


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    write_private(tmp_path / "secret", b"x")

    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_readers_see_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    write_private(path, b"0" * 10)
    stop = threading.Event()
    broken: list[bytes] = []
    reader = threading.Thread(target=_read_until, args=(path, stop, broken.append))
    reader.start()

    for digit in b"123456789" * 3:
        write_private(path, bytes([digit]) * (digit * 1000))
    stop.set()
    reader.join()

    assert broken == []
    assert [each.name for each in tmp_path.iterdir()] == ["secret"]


def _read_until(path: Path, stop: threading.Event, report: Callable[[bytes], None]) -> None:
    while not stop.is_set():
        content = path.read_bytes()
        if len(content) != (10 if content[0] == ord("0") else content[0] * 1000):
            report(content)


def test_a_failed_write_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secret"
    write_private(path, b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_private(path, b"new")

    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["secret"]
