"""The last configuration that worked: `<home>/deployed.json`.

`up` writes it when the cluster is ready, `deploy` when the rollout is complete. It holds the
operator's file and the configuration that was sent to Serve. A configuration that was sent but is
not confirmed is in `<home>/deployed.pending.json`: a start after a crash tries it first.
"""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cluster.storage.files import write_private

FILE, PENDING = "deployed.json", "deployed.pending.json"
START_ONLY_OPTIONS = ("http_options", "grpc_options", "proxy_location")


@dataclass(frozen=True, slots=True)
class LastGoodConfig:
    """`asked` is the content of the operator's file, `sent` the configuration sent to Serve."""

    asked: Mapping[str, Any]
    sent: Mapping[str, Any]

    def save(self, home: Path) -> None:
        """Saves it as the last good one and discards a pending one."""
        self._write(home / FILE)
        self.discard_pending(home)

    def save_pending(self, home: Path) -> None:
        """Saves it as sent but not confirmed."""
        self._write(home / PENDING)

    @staticmethod
    def discard_pending(home: Path) -> None:
        (home / PENDING).unlink(missing_ok=True)

    @classmethod
    def load(cls, home: Path) -> "LastGoodConfig | None":
        """The last good configuration; None if there is none or it cannot be read."""
        return cls._read(home / FILE)

    @classmethod
    def load_last(cls, home: Path) -> "LastGoodConfig | None":
        """The configuration that was sent last, confirmed or not."""
        return cls._read(home / PENDING) or cls.load(home)

    def _write(self, path: Path) -> None:
        write_private(path, json.dumps(asdict(self), indent=1).encode())

    @classmethod
    def _read(cls, path: Path) -> "LastGoodConfig | None":
        with contextlib.suppress(OSError, ValueError, TypeError):
            return cls(**json.loads(path.read_bytes()))
        return None

    def conflicts(self, asked: Mapping[str, Any]) -> list[str]:
        """One sentence for each part of `asked` that cannot change while the cluster runs."""
        return [
            f"{where}: {new!r} instead of {old!r} takes effect at the next start, with "
            "`mobula down` and `mobula up`; it cannot change while the cluster runs"
            for part in START_ONLY_OPTIONS
            for where, old, new in _differences(part, self.asked.get(part), asked.get(part))
        ]

    def with_applications(
        self, asked: Mapping[str, Any], applications: list[Any]
    ) -> "LastGoodConfig":
        """The configuration with these applications; start-only options stay as they were sent."""
        fixed = {part: self.sent[part] for part in START_ONLY_OPTIONS if part in self.sent}
        return LastGoodConfig(asked, {**asked, **fixed, "applications": applications})


def _differences(where: str, old: Any, new: Any) -> list[tuple[str, Any, Any]]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        names = sorted({*old, *new})
        nested = [_differences(f"{where}.{name}", old.get(name), new.get(name)) for name in names]
        return [difference for part in nested for difference in part]
    return [] if old == new else [(where, old, new)]
