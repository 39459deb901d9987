"""Signed checkpoints of chain positions, in a file outside of the database.

In: heads of stored chains. Out: lines of `checkpoints.jsonl`, each signed (Ed25519), numbered, and
with the hash of the previous line. Several processes append to one file. A copy on another machine
proves later that neither the records nor this file were truncated.

A line is JSON: log (the file's id), number, prev, at, heads [[writer, seq, mac]], and signature
over all of these in canonical form.
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
    """A position in a writer's chain."""

    writer: str
    seq: int
    mac: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One line. `pruned`: the links up to these positions have been removed."""

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
    """Signs and appends a checkpoint, synced to disk. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    write_public_key(folder, keys)
    descriptor = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        log, number, prev = _read_end(descriptor)
        unsigned = Checkpoint(log, number, prev, at, tuple(heads), pruned)
        signature = keys.signing.sign(unsigned.signed_bytes()).hex()
        checkpoint = replace(unsigned, signature=signature)
        _write(descriptor, checkpoint.line() + b"\n")
        return checkpoint
    finally:
        os.close(descriptor)


def write_public_key(folder: Path, keys: AuditKeys) -> None:
    """Writes the public key to the folder of the checkpoints."""
    path = folder / PUBLIC
    if not path.exists() or path.read_bytes() != keys.public_pem:
        path.write_bytes(keys.public_pem)


def line_hash(line: bytes) -> str:
    """The hash of a line (without its line break), which the next line holds."""
    return hashlib.sha256(line).hexdigest()


def _write(descriptor: int, line: bytes) -> None:
    size = os.fstat(descriptor).st_size
    try:
        if os.write(descriptor, line) != len(line):
            raise OSError("a checkpoint was written only in part")
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, size)
        raise


def _read_end(descriptor: int) -> tuple[str, int, str]:
    """The file's id, the next number, the last line's hash. Removes a partial last line."""
    content = _read_last_lines(descriptor, TAIL)
    if not content:
        return secrets.token_hex(8), 0, NO_LINE
    try:
        last = json.loads(content[-1])
        return str(last["log"]), int(last["number"]) + 1, line_hash(content[-1])
    except (ValueError, KeyError, TypeError):
        return _read_damaged_end(descriptor)


def _read_damaged_end(descriptor: int) -> tuple[str, int, str]:
    """Like `_read_end` if the last line is damaged; the number is the count of lines."""
    content = _read_last_lines(descriptor, os.fstat(descriptor).st_size)
    for line in content:
        try:
            return str(json.loads(line)["log"]), len(content), line_hash(content[-1])
        except (ValueError, KeyError, TypeError):
            continue
    return secrets.token_hex(8), len(content), line_hash(content[-1])


def _read_last_lines(descriptor: int, length: int) -> list[bytes]:
    """The complete lines in the last `length` bytes (the first may be partial)."""
    size = os.fstat(descriptor).st_size
    content = os.pread(descriptor, length, max(0, size - length))
    end = content.rfind(b"\n") + 1
    if not end and size > length:
        return _read_last_lines(descriptor, size)
    if end != len(content):
        os.ftruncate(descriptor, size - (len(content) - end))
    return content[:end].split(b"\n")[:-1]
