"""Private folders are ours alone and do not outlive their work, or long their process."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from deployments.sandbox import clear_abandoned, private_folder
from deployments.sandbox.binary import ROOT

LEAVE_ONE = (
    "import os, sys\nfrom pathlib import Path\n"
    "from deployments.sandbox import private_folder\n"
    "with private_folder(Path(sys.argv[1])) as made:\n"
    "    (made / 'source').write_text('x')\n"
    "    print(made, flush=True)\n"
    "    sys.stdin.read()\n"
)


def test_a_folder_is_new_empty_and_only_ours(tmp_path: Path) -> None:
    with private_folder(tmp_path / "deep" / "work") as one, private_folder(one.parent) as other:
        assert one != other
        assert stat.S_IMODE(one.stat().st_mode) == 0o700
        assert list(one.iterdir()) == []
        assert one.is_absolute()


def test_it_is_removed_after_its_work(tmp_path: Path) -> None:
    with private_folder(tmp_path) as made:
        (made / "sub").mkdir()
        (made / "sub" / "file").write_text("x")

    assert list(tmp_path.iterdir()) == []


def test_it_is_removed_when_the_work_fails(tmp_path: Path) -> None:
    with pytest.raises(KeyError), private_folder(tmp_path):
        raise KeyError

    assert list(tmp_path.iterdir()) == []


def test_it_is_removed_even_if_a_child_closed_it(tmp_path: Path) -> None:
    with private_folder(tmp_path) as made:
        (made / "sub").mkdir()
        (made / "sub" / "file").write_text("x")
        (made / "sub").chmod(0)
        made.chmod(0o500)

    assert list(tmp_path.iterdir()) == []


def test_what_it_links_to_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("x")
    with private_folder(tmp_path / "work") as made:
        (made / "link").symlink_to(tmp_path / "kept")

    assert (tmp_path / "kept" / "file").exists()


def test_folders_in_use_are_not_cleared(tmp_path: Path) -> None:
    with private_folder(tmp_path) as made:
        assert clear_abandoned(tmp_path) == 0
        assert made.is_dir()


def test_only_our_folders_are_cleared(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "work-file").write_text("x")
    (tmp_path / "work-link").symlink_to(tmp_path / "other")

    assert clear_abandoned(tmp_path) == 0
    assert len(list(tmp_path.iterdir())) == 3


def test_clearing_where_nothing_was_ever_made_is_fine(tmp_path: Path) -> None:
    assert clear_abandoned(tmp_path / "none") == 0


def test_the_folder_of_a_killed_process_is_cleared_once_it_is_dead(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", LEAVE_ONE, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process, process.stdout:
        left = Path(process.stdout.readline().strip())
        assert clear_abandoned(tmp_path) == 0

        process.kill()
        process.wait()

        assert left.is_dir()
        assert clear_abandoned(tmp_path) == 1
        assert not left.exists()
