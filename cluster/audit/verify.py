"""Verifies the audit trail: every link, head and checkpoint.

In: a connection, the audit keys, the live checkpoint files and copies of them. Out: a
VerificationReport. Records are streamed, so memory is bounded; writers may continue to write.

It detects changed, removed, inserted, moved and reordered records; a truncated chain, by its head
or a checkpoint; a missing chain; changed, removed or reordered checkpoints. A truncation of a chain
together with its checkpoints is detected only with a copy, and a removed last line of a checkpoint
file only if a later record refers to it.
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
    """Verifies the trail. `checkpoints` are the live files of all nodes, or of some if `partial`:
    then findings that need other nodes' files are notes.

    `connection` must not have read in its transaction yet, so that it sees all records that the
    checkpoints refer to. Raises the database's exceptions.
    """
    report = VerificationReport()
    logs = [CheckpointLog(path, keys.public) for path in checkpoints]
    await advisory_lock_shared(connection, Lock.AUDIT_START)
    await asyncio.to_thread(_advance, logs)
    marks = {writer: mark for log in logs for writer, mark in log.marks.items()}
    heads = await unverified_rows.read_heads(connection)
    await asyncio.to_thread(_advance, logs)  # positions that were pruned meanwhile
    verifiers = _ChainVerifiers(keys.chain, heads, marks, logs, report)
    async for batch in unverified_rows.read_links(connection):
        await asyncio.to_thread(verifiers.take, batch)
    verifiers.finish(await unverified_rows.read_heads(connection))
    await asyncio.to_thread(_advance, logs)
    verifiers.report_unseen(_exclude_other_nodes(verifiers, logs, report) if partial else set())
    await asyncio.to_thread(check_files, logs, verifiers.evidence, copies, report)
    report.checkpoints = sum(log.number + 1 for log in logs)
    return report


def _exclude_other_nodes(
    verifiers: "_ChainVerifiers", logs: Iterable[CheckpointLog], report: VerificationReport
) -> set[str]:
    """Removes evidence about other nodes' files, which are not given; returns their ids."""
    elsewhere = verifiers.evidence.keys() - {log.log for log in logs} - verifiers.own_logs
    for name in sorted(elsewhere):
        del verifiers.evidence[name]
        report.note(f"checkpoints {name}", "not checked here: the file is on another node")
    return elsewhere


def _advance(logs: Iterable[CheckpointLog]) -> None:
    for log in logs:
        log.advance()


class _ChainVerifiers:
    """Passes each row to the verifier of its writer's chain."""

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
        self._current: ChainVerifier | None = None
        self._ends: dict[str, ChainVerifier] = {}
        self._unseen: list[tuple[str, int, str]] = []
        self.evidence: dict[str, int] = {}
        self.own_logs: set[str] = (
            set()
        )  # checkpoint files of chains with a position in a given file

    def take(self, batch: Sequence[ChainedRecord | MalformedRow]) -> None:
        for link in batch:
            self._report.records += 1
            if isinstance(link, MalformedRow):
                self._report.alarm(link.writer, None, f"a record {link.what}")
                continue
            if self._current is None or self._current.writer != link.writer:
                self._end()
                self._current = self._begin(link.writer)
            self._current.step(link)

    def finish(self, heads: Sequence[ChainHead | MalformedRow]) -> None:
        """Verifies chains with only a head or checkpoint left; then compares with the new heads."""
        self._end()
        for writer in sorted(self._heads.keys() | self._marks.keys()):
            if writer not in self._ends:
                self._current = self._begin(writer)
                self._end()
        after = {head.writer: head for head in heads if isinstance(head, ChainHead)}
        for writer, verifier in self._ends.items():
            verifier.compare_head(after.get(writer))

    def report_unseen(self, elsewhere: set[str]) -> None:
        """Reports missing starts: alarms, or notes if another node may have pruned them."""
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
        if self._current is None:
            return
        self._current.finish()
        for log, number in self._current.evidence.items():
            self.evidence[log] = max(number, self.evidence.get(log, -1))
        if self._current.expected.mark is not None:
            self.own_logs |= self._current.evidence.keys()
        self._unseen += [(self._current.writer, *missing) for missing in self._current.unseen]
        self._ends[self._current.writer] = self._current
        self._current = None
