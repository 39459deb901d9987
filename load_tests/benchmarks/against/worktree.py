"""Another commit of this repository in a temporary folder.

In: a revision. Out: a git worktree of it, which is removed at the end. It runs with the packages of
this environment, so a note says where the commit pins other ones.
"""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cluster.cli.requirements import MissingRequirement, require_program
from cluster.runtime.settings import ROOT

PINS = "constraints.txt"
SHARED = Path(".mobula") / "bench"  # environments of peers, which a run must not install again


@dataclass(frozen=True)
class CheckedOutCommit:
    """`commit` is its short hash; `same_pins`: it wants the package versions that are installed."""

    folder: Path
    commit: str
    same_pins: bool


@contextmanager
def check_out(revision: str, root: Path = ROOT) -> Iterator[CheckedOutCommit]:
    """Raises MissingRequirement without git or without such a commit."""
    git = str(require_program("git", "apt-get install git"))
    commit = _find_commit(git, root, revision)
    with tempfile.TemporaryDirectory(prefix="mobula-against-") as parent:
        folder = Path(parent) / commit
        add = [git, "-C", str(root), "worktree", "add", "--quiet", "--detach", str(folder), commit]
        subprocess.run(add, check=True)
        try:
            _share_peers(root, folder)
            same_pins = _read(root / PINS) == _read(folder / PINS)
            yield CheckedOutCommit(folder, commit, same_pins)
        finally:
            remove = [git, "-C", str(root), "worktree", "remove", "--force", str(folder)]
            subprocess.run(remove, check=True)


def _find_commit(git: str, root: Path, revision: str) -> str:
    command = [git, "-C", str(root), "rev-parse", "--verify", "--quiet", "--short"]
    result = subprocess.run(
        [*command, "--end-of-options", f"{revision}^{{commit}}"],
        capture_output=True,
        text=True,
        check=False,
    )
    commit = result.stdout.strip().removeprefix("--end-of-options").strip()
    if result.returncode or not commit:
        raise MissingRequirement(f"{root} has no commit '{revision}'")
    return commit


def _share_peers(root: Path, folder: Path) -> None:
    if (root / SHARED).is_dir():
        (folder / SHARED).parent.mkdir(exist_ok=True)
        (folder / SHARED).symlink_to(root / SHARED)


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""
