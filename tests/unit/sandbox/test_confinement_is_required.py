"""Where the kernel cannot confine a child, no child starts, unless the operator allows less."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deployments.sandbox import CompletedChild, SandboxedCommand, confine, runner
from deployments.sandbox.confine import NOT_CONFINED
from deployments.sandbox.errors import SandboxUnavailable
from deployments.sandbox.exit_status import problem_from_exit

# The launcher on a kernel that answers ENOSYS to Landlock, or refuses a filter of system calls.
KERNELS = {
    "no Landlock": "confine._CREATE = 100_000",
    "no seccomp": "confine._SECCOMP = 100_000",
    "no filter of system calls for mips": "confine._machine = lambda: 'mips'",
}
START = """
import sys
sys.path.insert(0, {folder!r})
import confine
{change}
confine.main(sys.argv[1:])
"""


def launch(folder: Path, lack: str, required: bool) -> "subprocess.CompletedProcess[str]":
    """The launcher with a part of the kernel taken away, before /bin/true."""
    code = START.format(folder=str(Path(confine.__file__).parent), change=KERNELS[lack])
    numbers = (os.getpid(), 0, 10, 1 << 20, 64, 0, int(required))
    words = (*map(str, numbers), "/usr\n/lib\n/lib64\n/bin", str(folder), "/bin/true")
    return subprocess.run(
        [sys.executable, "-I", "-c", code, *words],
        cwd=folder, capture_output=True, text=True, check=False, timeout=20,
    )  # fmt: skip


@pytest.mark.parametrize("lack", KERNELS)
def test_a_child_that_cannot_be_confined_does_not_start(folder: Path, lack: str) -> None:
    ended = launch(folder, lack, required=True)

    assert ended.returncode == NOT_CONFINED
    assert ended.stderr == f"launcher: {lack}\n"


@pytest.mark.parametrize("lack", KERNELS)
def test_with_best_effort_it_starts_with_what_the_kernel_has(folder: Path, lack: str) -> None:
    assert launch(folder, lack, required=False).returncode == 0


def test_the_lack_is_a_typed_problem_that_names_it(folder: Path) -> None:
    ended = CompletedChild(NOT_CONFINED, b"", "launcher: no Landlock\n", 0.1, 0.1, 1)

    with pytest.raises(SandboxUnavailable, match="has no Landlock") as refused:
        problem_from_exit(ended, SandboxedCommand(("/bin/true",), folder, allow_failure=True))

    assert refused.value.status == 501
    assert "sandbox: best-effort" in refused.value.detail


def test_confinement_is_required_unless_the_operator_says_otherwise(monkeypatch) -> None:
    runner.is_required.cache_clear()
    assert runner.is_required()

    monkeypatch.setenv("MOBULA_VIDEO_SANDBOX", "best-effort")
    runner.is_required.cache_clear()
    assert not runner.is_required()
    runner.is_required.cache_clear()


def test_every_system_call_that_is_refused_has_a_number_on_every_architecture() -> None:
    x86, arm = (confine.refused_calls(machine) for machine in ("x86_64", "aarch64"))

    assert len(set(x86.values())) == len(x86)
    assert len(set(arm.values())) == len(arm)
    assert (x86["fchmodat"], arm["fchmodat"]) == (268, 53)
    assert set(x86) - set(arm) == {
        "chmod", "chown", "lchown", "utime", "utimes", "futimesat", "mknod",
    }  # fmt: skip
