"""Verifies a checkpoint file: signatures, numbers, and the hash chain of lines.

In: the path of a `checkpoints.jsonl`, live or a copy. Out: the last signed position of each chain,
faults of the file, and whether it is_prefix a copy. The file is read line by line, and may grow
meanwhile. Knows no records.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cluster.audit.checkpoints import NO_LINE, ChainPosition, Checkpoint, line_hash
from cluster.audit.findings import VerificationReport


class CheckpointLog:
    """A checkpoint file. `advance` reads new lines; `marks` are the last positions by writer."""

    def __init__(self, path: Path, public: Ed25519PublicKey, until: float = math.inf) -> None:
        """Ignores positions of checkpoints signed at `until` (Unix seconds) or later."""
        self.path = path
        self.log = ""  # the file's id, in every line
        self.number = -1  # of the last line
        self.marks: dict[str, ChainPosition] = {}
        self.anchors: dict[str, dict[int, str]] = {}  # writer -> seq -> mac, of pruned chains
        self.faults: list[str] = []
        self.unfinished = self.missing = False
        self.last_hash = NO_LINE
        self.public = public
        self._until = until
        self._offset = 0

    def advance(self) -> None:
        """Reads to the end of the file."""
        self.unfinished = self.missing = False
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                for line in file:
                    if not line.endswith(b"\n"):
                        self._handle_partial_line(line)
                        return
                    self._offset += len(line)
                    self._read(line[:-1])
        except FileNotFoundError:
            self.missing = True
        except OSError as error:
            self.faults.append(f"cannot be read: {error.strerror}")

    def _handle_partial_line(self, line: bytes) -> None:
        """Handles a line without a line break: a kill leaves a prefix without closing brace."""
        if b"}" in line:
            self.faults.append("the last line was altered")
        else:
            self.unfinished = True

    def _read(self, line: bytes) -> None:
        self.number += 1
        previous, self.last_hash = self.last_hash, line_hash(line)
        checkpoint = self._parse_verified(line)
        if checkpoint is None:
            self.faults.append(f"line {self.number}: was altered, or signed by another key")
            return
        self.log = self.log or checkpoint.log
        if checkpoint.number != self.number or checkpoint.log != self.log:
            self.faults.append(
                f"line {self.number}: is checkpoint {checkpoint.number}: "
                "lines were removed, added or reordered"
            )
            self.number = checkpoint.number
        elif checkpoint.prev != previous:
            self.faults.append(f"line {self.number}: does not follow the line before it")
        self._apply(checkpoint)

    def _apply(self, checkpoint: Checkpoint) -> None:
        for mark in checkpoint.heads:
            if checkpoint.pruned:
                self.anchors.setdefault(mark.writer, {})[mark.seq] = mark.mac
            elif checkpoint.at < self._until and self._is_later(mark):
                self.marks[mark.writer] = mark

    def _is_later(self, mark: ChainPosition) -> bool:
        return mark.writer not in self.marks or self.marks[mark.writer].seq <= mark.seq

    def _parse_verified(self, line: bytes) -> Checkpoint | None:
        try:
            fields = json.loads(line)
            fields["heads"] = tuple(ChainPosition(*head) for head in fields["heads"])
            checkpoint = Checkpoint(**fields)
            signature = bytes.fromhex(checkpoint.signature)
            self.public.verify(signature, checkpoint.signed_bytes())
        except (ValueError, TypeError, KeyError, InvalidSignature):
            return None
        is_canonical = checkpoint.line() == line and signature.hex() == checkpoint.signature
        return checkpoint if is_canonical else None


def check_files(
    logs: Sequence[CheckpointLog],
    evidence: Mapping[str, int],
    copies: Sequence[Path],
    report: VerificationReport,
) -> None:
    """Reports faults of the files; `evidence` is the last number of each file in the chains."""
    for log in logs:
        _report_faults(log, report)
    live = {log.log: log for log in logs}
    for name, number in evidence.items():
        if name not in live:
            report.alarm(f"checkpoints {name}", None, "the file is missing")
        elif live[name].number < number:
            report.alarm(str(live[name].path), None, f"checkpoint {number}, the last, is missing")
    for path in copies:
        copy = CheckpointLog(path, logs[0].public)
        copy.advance()
        _report_faults(copy, report)
        if copy.log not in live or not is_prefix(path, live[copy.log].path):
            report.alarm(str(path), None, "the live checkpoints do not begin with this copy")


def _report_faults(log: CheckpointLog, report: VerificationReport) -> None:
    for fault in log.faults:
        report.alarm(str(log.path), None, fault)
    if log.missing:
        report.note(str(log.path), "is missing")
    if log.unfinished:
        report.note(str(log.path), "ends in a partial line: a writer was killed, or is writing")


def is_prefix(copy: Path, live: Path) -> bool:
    """Whether `live` begins with every complete line of `copy`."""
    with live.open("rb") as longer, copy.open("rb") as shorter:
        return all(longer.readline() == line for line in shorter if line.endswith(b"\n"))
