"""Files of processes that are gone do not fill the disk."""

import os
from pathlib import Path

from cluster.logs.retention import MIN_AGE_S, remove_old_files
from cluster.runtime.clock import SystemClock


def _file(folder: Path, name: str, age_s: float) -> Path:
    path, at = folder / f"{name}.jsonl", SystemClock().wall() - age_s
    path.write_bytes(b"x" * 100)
    os.utime(path, (at, at))
    return path


def test_the_oldest_files_go_first(tmp_path: Path) -> None:
    paths = [_file(tmp_path, f"model-{n}", MIN_AGE_S + 10 * n) for n in range(1, 5)]

    assert remove_old_files(tmp_path, SystemClock(), max_files=2) == 2
    assert [path.exists() for path in paths] == [True, True, False, False]


def test_bytes_are_bounded_as_well(tmp_path: Path) -> None:
    paths = [_file(tmp_path, f"model-{n}", MIN_AGE_S + 10 * n) for n in range(1, 4)]

    assert remove_old_files(tmp_path, SystemClock(), max_bytes=150) == 2
    assert [path.exists() for path in paths] == [True, False, False]


def test_young_files_stay(tmp_path: Path) -> None:
    path = _file(tmp_path, "model-1", 10.0)

    assert remove_old_files(tmp_path, SystemClock(), max_files=0) == 0
    assert path.exists()
