"""The last configuration that was seen to work, in the home: `<home>/deployed.json`.

Written by `up` once the cluster is ready and by `deploy` once everything runs. Holds the file as
the operator wrote it, and what was made of it and sent to Serve. What was sent and not seen to work
yet is kept beside it, `<home>/deployed.pending.json`: a start after a crash tries it first.
"""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cluster.storage.files import write_private

FILE, PENDING = "deployed.json", "deployed.pending.json"
FIXED = ("http_options", "grpc_options", "proxy_location")


@dataclass(frozen=True, slots=True)
class LastGoodConfig:
    """`asked` is the file's content, `sent` what Serve was given."""

    asked: Mapping[str, Any]
    sent: Mapping[str, Any]

    def keep(self, home: Path) -> None:
        """It works; nothing is pending any longer."""
        self._write(home / FILE)
        self.discard_pending(home)

    def keep_pending(self, home: Path) -> None:
        """It was sent, and nobody waits for it."""
        self._write(home / PENDING)

    @staticmethod
    def discard_pending(home: Path) -> None:
        (home / PENDING).unlink(missing_ok=True)

    @classmethod
    def load(cls, home: Path) -> "LastGoodConfig | None":
        """None where there is none, or it cannot be read."""
        return cls._read(home / FILE)

    @classmethod
    def load_last(cls, home: Path) -> "LastGoodConfig | None":
        """What was sent last, whether it was seen to work or not."""
        return cls._read(home / PENDING) or cls.load(home)

    def _write(self, path: Path) -> None:
        write_private(path, json.dumps(asdict(self), indent=1).encode())

    @classmethod
    def _read(cls, path: Path) -> "LastGoodConfig | None":
        with contextlib.suppress(OSError, ValueError, TypeError):
            return cls(**json.loads(path.read_bytes()))
        return None

    def conflicts(self, asked: Mapping[str, Any]) -> list[str]:
        """A sentence for each part of `asked` that cannot be changed while the cluster runs."""
        return [
            f"{where}: {new!r} instead of {old!r} takes effect at the next start, with "
            "`mobula down` and `mobula up`; it cannot be changed while the cluster runs"
            for part in FIXED
            for where, old, new in _differences(part, self.asked.get(part), asked.get(part))
        ]

    def with_applications(
        self, asked: Mapping[str, Any], applications: list[Any]
    ) -> "LastGoodConfig":
        """What becomes of it when these applications are sent; the fixed parts stay."""
        fixed = {part: self.sent[part] for part in FIXED if part in self.sent}
        return LastGoodConfig(asked, {**asked, **fixed, "applications": applications})


def _differences(where: str, old: Any, new: Any) -> list[tuple[str, Any, Any]]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        names = sorted({*old, *new})
        found = [_differences(f"{where}.{name}", old.get(name), new.get(name)) for name in names]
        return [each for part in found for each in part]
    return [] if old == new else [(where, old, new)]
