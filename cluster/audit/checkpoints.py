"""Signed checkpoints: where every chain stood, in a file apart from the database.

Flows in: heads of chains that are stored. Flows out: lines of `checkpoints.jsonl`, each signed
(Ed25519), numbered, and holding the hash of the line before it. Several processes append to one
file. A copy kept elsewhere proves later that neither the records nor this file were cut.

A line is JSON: log (the file's own id), number, prev, at, heads [[writer, seq, mac]], and signature
over all of these in the same spelling.
"""

import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from cluster.audit.keys import AuditKeys

FILE, PUBLIC = "checkpoints.jsonl", "checkpoints.pem"
NO_LINE = bytes(32).hex()
TAIL = 1 << 16


class ChainPosition(NamedTuple):
    """Where a writer's chain stood."""

    writer: str
    seq: int
    mac: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One line. `pruned` marks a chain whose links up to the marks have been removed."""

    log: str
    number: int
    prev: str
    at: float
    heads: tuple[ChainPosition, ...]
    pruned: bool = False
    signature: str = ""

    def signed_bytes(self) -> bytes:
        return replace(self, signature="").line()

    def line(self) -> bytes:
        fields = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


def append(
    folder: Path,
    keys: AuditKeys,
    heads: Iterable[ChainPosition],
    at: float,
    *,
    pruned: bool = False,
) -> Checkpoint:
    """Sign and add a checkpoint, on disk when this returns. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    publish(folder, keys)
    descriptor = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        log, number, prev = _end(descriptor)
        bare = Checkpoint(log, number, prev, at, tuple(heads), pruned)
        signature = keys.signing.sign(bare.signed_bytes()).hex()
        checkpoint = replace(bare, signature=signature)
        _write(descriptor, checkpoint.line() + b"\n")
        return checkpoint
    finally:
        os.close(descriptor)


def publish(folder: Path, keys: AuditKeys) -> None:
    """Put the public key beside the checkpoints."""
    path = folder / PUBLIC
    if not path.exists() or path.read_bytes() != keys.public_pem:
        path.write_bytes(keys.public_pem)


def line_hash(line: bytes) -> str:
    """What the next line must hold of this one (without its line break)."""
    return hashlib.sha256(line).hexdigest()


def _write(descriptor: int, line: bytes) -> None:
    size = os.fstat(descriptor).st_size
    try:
        if os.write(descriptor, line) != len(line):
            raise OSError("the disk took only part of a checkpoint")
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, size)
        raise


def _end(descriptor: int) -> tuple[str, int, str]:
    """The file's id, the next number, the last line's hash. Drops a line that a kill cut off."""
    content = _lines_from(descriptor, TAIL)
    if not content:
        return secrets.token_hex(8), 0, NO_LINE
    try:
        last = json.loads(content[-1])
        return str(last["log"]), int(last["number"]) + 1, line_hash(content[-1])
    except (ValueError, KeyError, TypeError):
        return _end_behind_damage(descriptor)


def _end_behind_damage(descriptor: int) -> tuple[str, int, str]:
    """As `_end`, when the last line was tampered with: the count of lines is still the number."""
    content = _lines_from(descriptor, os.fstat(descriptor).st_size)
    for line in content:
        try:
            return str(json.loads(line)["log"]), len(content), line_hash(content[-1])
        except (ValueError, KeyError, TypeError):
            continue
    return secrets.token_hex(8), len(content), line_hash(content[-1])


def _lines_from(descriptor: int, length: int) -> list[bytes]:
    """The whole lines in the last `length` bytes (the first of them may be cut)."""
    size = os.fstat(descriptor).st_size
    content = os.pread(descriptor, length, max(0, size - length))
    whole = content.rfind(b"\n") + 1
    if not whole and size > length:
        return _lines_from(descriptor, size)
    if whole != len(content):
        os.ftruncate(descriptor, size - (len(content) - whole))
    return content[:whole].split(b"\n")[:-1]
