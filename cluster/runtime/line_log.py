"""Buffered append-only line files with negligible cost for a request.

In: lines, from any thread. Out: `<folder>/<name>.jsonl`, written every quarter second by a thread
and rotated by size. A clean stop writes everything; a kill loses at most the last quarter second.
For logs, not for audit.
"""

import atexit
import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

FLUSH_S = 0.25
ROTATE_BYTES = 64 << 20
ROTATED_FILES = 4  # name.1.jsonl (the newest) to name.4.jsonl

log = logging.getLogger("mobula.logs")
# Lines of this process that could not be written, by the part of the file's name before its "-".
lost_lines: Counter[str] = Counter()


class BufferedLineWriter:
    """`write` never blocks on the disk. Lines that cannot be written are counted as lost."""

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        rotate_bytes: int = ROTATE_BYTES,
        on_lines: Callable[[Sequence[bytes]], None] | None = None,
    ) -> None:
        """`on_lines` gets every batch of lines in the thread that has written them."""
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{name}.jsonl"
        self.lost = 0
        self._rotate_bytes = rotate_bytes
        self._on_lines = on_lines
        self._lines: list[bytes] = []
        self._stopped = threading.Event()
        self._write_lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"line-log-{name}", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def write(self, line: bytes) -> None:
        """Adds a line, without its line break."""
        self._lines.append(line)  # atomic under the interpreter lock

    def flush(self) -> None:
        """Writes all buffered lines."""
        with self._write_lock:
            lines, self._lines = self._lines, []
            if not lines:
                return
            try:
                self._rotate()
                with self.path.open("ab") as file:
                    file.write(b"\n".join(lines) + b"\n")
            except OSError:
                self.lost += len(lines)
                lost_lines[self.path.name.partition("-")[0]] += len(lines)
        self._pass_on(lines)

    def close(self) -> None:
        """Writes the remaining lines and ends the thread."""
        self._stopped.set()
        self._thread.join(timeout=2.0)
        self.flush()
        atexit.unregister(self.close)

    def _pass_on(self, lines: Sequence[bytes]) -> None:
        if self._on_lines is None:
            return
        try:
            self._on_lines(lines)
        except Exception:
            log.exception("lines of %s could not be passed on", self.path.name)

    def _run(self) -> None:
        while not self._stopped.wait(FLUSH_S):
            self.flush()

    def _rotate(self) -> None:
        if not self.path.exists() or self.path.stat().st_size < self._rotate_bytes:
            return
        for number in range(ROTATED_FILES - 1, 0, -1):
            older = self._rotated_path(number)
            if older.exists():
                older.replace(self._rotated_path(number + 1))
        self.path.replace(self._rotated_path(1))

    def _rotated_path(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.stem}.{number}.jsonl")
