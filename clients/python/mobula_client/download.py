"""A file that is downloaded: beside its target until it is whole and its checksum is right."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from mobula_client.problems import Problem


class Download:
    """A file beside the target, which replaces it once its checksum is the right one."""

    def __init__(self, file: Mapping[str, Any], target: Path) -> None:
        self._sha256, self._target = file["sha256"], target
        self._part = target.with_name(f".{target.name}.part")
        self._hash = hashlib.sha256()

    def __enter__(self) -> "Download":
        self._open: IO[bytes] = self._part.open("wb")
        return self

    def write(self, block: bytes) -> None:
        self._hash.update(block)
        self._open.write(block)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()
        try:
            if kind is None and self._hash.hexdigest() != self._sha256:
                raise Problem(f"{self._target.name}: the download is damaged; try again.")
            if kind is None:
                self._part.replace(self._target)
        finally:
            self._part.unlink(missing_ok=True)
