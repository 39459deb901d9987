"""What a sandboxed child left in its folder, read with care: links it made are not followed."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def read_output(path: Path, most: int) -> bytes | None:
    """The first `most` bytes of a plain file; None: there is none."""
    with suppress(OSError):
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(fd, "rb") as file:
            return file.read(most)
    return None


@contextmanager
def lend_source(source: Path, folder: Path, suffix: str) -> Iterator[tuple[Path, Path]]:
    """`source` under a name of ours in `folder`, and a name there for what will be left; neither
    stays."""
    token = secrets.token_hex(8)
    link, out = folder / f"source-{token}", folder / f"transcript-{token}{suffix}"
    link.symlink_to(source.resolve())
    try:
        yield link, out
    finally:
        link.unlink(missing_ok=True)
        out.unlink(missing_ok=True)
