"""The keys of upstreams: out of the environment or a file, never out of the configuration.

In: the name of a variable, or the path of a file. Out: the header line that carries the key. A file
is read again when it has changed, so a key is rotated without a restart. No key is in a `repr`, a
log line or an error.
"""

import re
from collections.abc import Mapping
from pathlib import Path

_MAX_KEY_BYTES = 8_192
_KEY = re.compile(r"[!-~]+", re.ASCII)


class MissingKey(Exception):
    """There is no usable key; `reason` names its place, never its value."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Credential:
    """One upstream's key. `line` is its header line, empty for an upstream without keys;
    `problem` says why there is none. Make it, then `refresh` it in a thread now and then.
    """

    def __init__(
        self,
        header: str,
        environment: Mapping[str, str],
        key_env: str | None = None,
        key_file: str | None = None,
    ) -> None:
        """`header` is `authorization` (with the scheme Bearer) or another field's name."""
        self._header = header
        self._variable = key_env
        self._path = None if key_file is None else Path(key_file).expanduser()
        self._seen: tuple[int, int, int] | None = None
        self._environment = environment
        self.line = b""
        self.problem: str | None = None
        self.refresh()

    def __repr__(self) -> str:
        return f"Credential({self._header})"

    @property
    def key(self) -> str:
        """The key itself, to be taken out of what an upstream says."""
        return self.line.decode("ascii").rstrip().rpartition(" ")[2]

    @property
    def can_change(self) -> bool:
        return self._path is not None

    def refresh(self) -> bool:
        """Reads the key again where its file has changed; returns whether the key is another one.
        A file that is gone or empty leaves the key as it was, and `problem` says so."""
        before = self.line
        try:
            key = self._read()
        except MissingKey as missing:
            self.problem = missing.reason
            return False
        if key is not None:
            self.line = self._line(key)
        self.problem = None
        return self.line != before

    def _read(self) -> str | None:
        """The key; None where it has not changed, or the upstream has none."""
        if self._path is not None:
            return self._read_file(self._path)
        if self._variable is None:
            return None
        key = self._environment.get(self._variable, "").strip()
        return _checked(key, f"the environment variable {self._variable}")

    def _read_file(self, path: Path) -> str | None:
        where = f"the key file {path.name}"
        try:
            stat = path.stat()
            seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if seen == self._seen and self.line:
                return None
            with path.open("rb") as file:
                content = file.read(_MAX_KEY_BYTES + 1)
        except OSError as error:
            raise MissingKey(f"{where} cannot be read ({type(error).__name__})") from None
        key = _checked(content.decode("latin-1").strip(), where)
        self._seen = seen
        return key

    def _line(self, key: str) -> bytes:
        scheme = "Bearer " if self._header == "authorization" else ""
        return f"{self._header}: {scheme}{key}\r\n".encode("ascii")


def _checked(key: str, where: str) -> str:
    if not key:
        raise MissingKey(f"{where} is not set" if "variable" in where else f"{where} is empty")
    if len(key) > _MAX_KEY_BYTES or not _KEY.fullmatch(key):
        raise MissingKey(f"{where} holds no key: one line of printable ASCII without spaces")
    return key
