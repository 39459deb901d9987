"""Append-only line files that cost a request almost nothing.

Flows in: lines, from any thread. Flows out: `<folder>/<name>.jsonl`, written in one piece every
quarter second by a thread of its own, and rotated by size. A clean stop writes everything; a kill
loses at most the last quarter second. For logs, not for audit.
"""

import atexit
import threading
from pathlib import Path

FLUSH_S = 0.25
ROTATE_BYTES = 64 << 20
KEPT = 4  # older files: name.1.jsonl (the newest) to name.4.jsonl


class BufferedLineWriter:
    """`write` never blocks on the disk. A disk that is full loses lines and counts them."""

    def __init__(self, folder: Path, name: str, *, rotate_bytes: int = ROTATE_BYTES) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{name}.jsonl"
        self.lost = 0
        self._rotate_bytes = rotate_bytes
        self._lines: list[bytes] = []
        self._stopping = threading.Event()
        self._writing = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"journal-{name}", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def write(self, line: bytes) -> None:
        """Take one line, without its line break."""
        self._lines.append(line)  # atomic under the interpreter lock

    def flush(self) -> None:
        """Write everything taken so far."""
        with self._writing:
            lines, self._lines = self._lines, []
            if not lines:
                return
            try:
                self._rotate()
                with self.path.open("ab") as file:
                    file.write(b"\n".join(lines) + b"\n")
            except OSError:
                self.lost += len(lines)

    def close(self) -> None:
        """Write the rest and end the thread."""
        self._stopping.set()
        self._thread.join(timeout=2.0)
        self.flush()
        atexit.unregister(self.close)

    def _run(self) -> None:
        while not self._stopping.wait(FLUSH_S):
            self.flush()

    def _rotate(self) -> None:
        if not self.path.exists() or self.path.stat().st_size < self._rotate_bytes:
            return
        for number in range(KEPT - 1, 0, -1):
            older = self._numbered(number)
            if older.exists():
                older.replace(self._numbered(number + 1))
        self.path.replace(self._numbered(1))

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.stem}.{number}.jsonl")
