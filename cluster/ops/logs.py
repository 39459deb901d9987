"""Warnings and errors of Serve's log files for the operator."""

import re
from collections.abc import Iterator
from pathlib import Path

NOTABLE = re.compile(r"\b(WARNING|ERROR|CRITICAL|Traceback|\w*Error:|\"level\":\"(warning|error))")
SERVE_LOGS = "session_latest/logs/serve/*.log"
LAST_BYTES = 64 << 10


def tail(path: Path, lines: int) -> str:
    """The last lines of a file; empty if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - LAST_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def relevant_lines(ray_dir: Path, limit: int = 20) -> str:
    """The latest warnings and errors of Serve's controller and replicas."""
    lines: list[str] = []
    for path in sorted(ray_dir.glob(SERVE_LOGS), key=lambda each: each.stat().st_mtime):
        lines += [line for line in tail(path, 400).splitlines() if NOTABLE.search(line)]
    folder = ray_dir / "session_latest" / "logs"
    return "\n".join([*lines[-limit:], f"logs: {folder}"])


class LogTail:
    """Reads new notable lines of Serve's log files."""

    def __init__(self, ray_dir: Path, everything: bool = False) -> None:
        self._ray_dir = ray_dir
        self._everything = everything
        self._offsets: dict[Path, int] = {path: path.stat().st_size for path in self._paths()}

    def _paths(self) -> Iterator[Path]:
        return self._ray_dir.glob(SERVE_LOGS)

    def new_lines(self) -> Iterator[str]:
        for path in self._paths():
            for line in self._read_new_lines(path):
                if self._everything or NOTABLE.search(line):
                    yield line

    def _read_new_lines(self, path: Path) -> list[str]:
        with path.open("rb") as file:
            file.seek(self._offsets.get(path, 0))
            complete_lines, newline, _ = file.read().rpartition(b"\n")
        self._offsets[path] = self._offsets.get(path, 0) + len(complete_lines) + len(newline)
        return complete_lines.decode(errors="replace").splitlines()
