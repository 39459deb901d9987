"""Whether anybody has changed the audit trail: every link, every head, every checkpoint.

Flows in: a connection, the audit keys, the live checkpoint files and copies of them kept elsewhere.
Flows out: a Report. Records stream, so memory does not grow with them; writers may go on writing.

Found is any change to a stored record, and any that was removed, inserted, moved or reordered; a
chain cut short, if a checkpoint or the head knows better; a chain that is gone; a checkpoint
altered, removed or reordered. A chain and its checkpoints cut back together show only against a
copy, and the very last line of a checkpoint file only if a later record tells of it.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.audit import unverified_rows
from cluster.audit.chain import ChainedRecord
from cluster.audit.chain_verifier import ChainExpectation, ChainVerifier
from cluster.audit.checkpoint_log import CheckpointLog, check_files
from cluster.audit.checkpoints import ChainPosition
from cluster.audit.findings import VerificationReport
from cluster.audit.keys import AuditKeys
from cluster.audit.rows import ChainHead
from cluster.audit.unverified_rows import MalformedRow
from cluster.storage.locks import Lock, advisory_lock_shared


async def verify(
    connection: AsyncConnection,
    keys: AuditKeys,
    checkpoints: Sequence[Path],
    copies: Sequence[Path] = (),
    *,
    partial: bool = False,
) -> VerificationReport:
    """Check everything. `checkpoints` are the live files of all nodes, or if `partial` of some:
    what only the files of others can tell is then a note and no alarm.

    `connection` must not have read anything in its transaction yet, so that it sees everything
    that the checkpoints tell of. Raises what the store raises.
    """
    report = VerificationReport()
    logs = [CheckpointLog(path, keys.public) for path in checkpoints]
    await advisory_lock_shared(connection, Lock.AUDIT_START)
    await asyncio.to_thread(_advance, logs)
    marks = {writer: mark for log in logs for writer, mark in log.marks.items()}
    heads = await unverified_rows.heads(connection)
    await asyncio.to_thread(_advance, logs)  # whatever was pruned by then has its anchor by now
    walks = _Walks(keys.chain, heads, marks, logs, report)
    async for batch in unverified_rows.read_links(connection):
        await asyncio.to_thread(walks.take, batch)
    walks.finish(await unverified_rows.heads(connection))
    await asyncio.to_thread(_advance, logs)
    walks.tell_unseen(_leave_out_elsewhere(walks, logs, report) if partial else set())
    await asyncio.to_thread(check_files, logs, walks.evidence, copies, report)
    report.checkpoints = sum(log.number + 1 for log in logs)
    return report


def _leave_out_elsewhere(
    walks: "_Walks", logs: Iterable[CheckpointLog], report: VerificationReport
) -> set[str]:
    """Files of other nodes: told of, not given, and by no chain that a given file marks."""
    elsewhere = walks.evidence.keys() - {log.log for log in logs} - walks.ours
    for name in sorted(elsewhere):
        del walks.evidence[name]
        report.note(f"checkpoints {name}", "not checked here: the file is on another node")
    return elsewhere


def _advance(logs: Iterable[CheckpointLog]) -> None:
    for log in logs:
        log.advance()


class _Walks:
    """Hands each row to the walk along its writer's chain."""

    def __init__(
        self,
        key: bytes,
        heads: Sequence[ChainHead | MalformedRow],
        marks: Mapping[str, ChainPosition],
        logs: Sequence[CheckpointLog],
        report: VerificationReport,
    ) -> None:
        self._key, self._report = key, report
        self._heads = {head.writer: head for head in heads if isinstance(head, ChainHead)}
        self._marks = marks
        self._anchors: dict[str, dict[int, str]] = {}
        for fault in (head for head in heads if isinstance(head, MalformedRow)):
            report.alarm(fault.writer, None, f"head: {fault.what}")
        for log in logs:
            for writer, anchors in log.anchors.items():
                self._anchors.setdefault(writer, {}).update(anchors)
        self._walk: ChainVerifier | None = None
        self._ends: dict[str, ChainVerifier] = {}
        self._unseen: list[tuple[str, int, str]] = []
        self.evidence: dict[str, int] = {}
        self.ours: set[str] = set()  # files that chains tell of which a given file marks

    def take(self, batch: Sequence[ChainedRecord | MalformedRow]) -> None:
        for link in batch:
            self._report.records += 1
            if isinstance(link, MalformedRow):
                self._report.alarm(link.writer, None, f"a record {link.what}")
                continue
            if self._walk is None or self._walk.writer != link.writer:
                self._end()
                self._walk = self._begin(link.writer)
            self._walk.step(link)

    def finish(self, heads: Sequence[ChainHead | MalformedRow]) -> None:
        """Chains of which only a head or a checkpoint is left; then the heads, read once more."""
        self._end()
        for writer in sorted(self._heads.keys() | self._marks.keys()):
            if writer not in self._ends:
                self._walk = self._begin(writer)
                self._end()
        after = {head.writer: head for head in heads if isinstance(head, ChainHead)}
        for writer, walk in self._ends.items():
            walk.compare_head(after.get(writer))

    def tell_unseen(self, elsewhere: set[str]) -> None:
        """Beginnings that are gone: alarms, unless another node may have pruned them."""
        for writer, seq, what in self._unseen:
            if elsewhere:
                self._report.note(f"{writer} #{seq}", f"not checked here: {what}")
            else:
                self._report.alarm(writer, seq, what)

    def _begin(self, writer: str) -> ChainVerifier:
        self._report.writers += 1
        anchors = self._anchors.get(writer, {})
        expected = ChainExpectation(self._heads.get(writer), self._marks.get(writer), anchors)
        return ChainVerifier(self._key, writer, expected, self._report)

    def _end(self) -> None:
        if self._walk is None:
            return
        self._walk.finish()
        for log, number in self._walk.evidence.items():
            self.evidence[log] = max(number, self.evidence.get(log, -1))
        if self._walk.expected.mark is not None:
            self.ours |= self._walk.evidence.keys()
        self._unseen += [(self._walk.writer, *each) for each in self._walk.unseen]
        self._ends[self._walk.writer] = self._walk
        self._walk = None
