"""A private folder, and programs to run in it."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from deployments.sandbox import (
    ChildLimits,
    CompletedChild,
    SandboxedCommand,
    private_folder,
    run,
)
from deployments.sandbox.binary import python_binary
from deployments.video.capabilities import probe_sandbox

Python = Callable[..., CompletedChild]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with private_folder(tmp_path / "work") as made:
        yield made


@pytest.fixture
def python(folder: Path) -> Python:
    """Runs some Python in the sandbox."""

    def run_code(code: str, limits: ChildLimits | None = None, **more: object) -> CompletedChild:
        argv = (python_binary(), "-I", "-c", code)
        return run(SandboxedCommand(argv, folder, limits or ChildLimits(wall_s=20.0), **more))  # type: ignore[arg-type]

    return run_code


@cache
def strength() -> dict[str, str]:
    return dict(probe_sandbox().facts)


@pytest.fixture
def closed() -> Callable[[str], None]:
    """Skips where the kernel cannot close off what the test is about."""

    def check(what: str) -> None:
        if strength().get(what) != "closed":
            pytest.skip(f"this kernel does not close off {what}")

    return check
