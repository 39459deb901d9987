"""Verifies one chain link by link with its key, head and checkpoint.

In: the unverified rows of one writer in order. Out: alarms and notes in a report, and the end of
the chain. Holds one link at a time.
"""

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cluster.audit.chain import GENESIS, ChainedRecord, mac_of
from cluster.audit.checkpoints import ChainPosition
from cluster.audit.findings import VerificationReport
from cluster.audit.rows import ChainHead, count_lost
from cluster.audit.trail import CHECKPOINTED, CLOSED, PRUNED


@dataclass(frozen=True, slots=True)
class ChainExpectation:
    """Known facts of a chain before its links are read."""

    head: ChainHead | None = None
    mark: ChainPosition | None = None
    anchors: Mapping[int, str] = field(default_factory=dict)  # seq -> mac at the points of pruning


class ChainVerifier:
    """Verifier of one writer's chain: `step` for every link, then `finish`."""

    def __init__(
        self, key: bytes, writer: str, expected: ChainExpectation, report: VerificationReport
    ) -> None:
        self.writer, self.expected = writer, expected
        self.end = ChainHead(writer, 0, GENESIS, 0, 0.0)
        self.evidence: dict[str, int] = {}  # checkpoint file -> last number in this chain
        self._key, self._report = key, report
        self.unseen: list[tuple[int, str]] = []  # missing at the start, possibly pruned
        self._action = ""
        self._pruned = False

    def step(self, link: ChainedRecord) -> None:
        """Verifies the next link; `link.seq` increases from call to call."""
        is_valid = self._follows(link)
        if is_valid and not hmac.compare_digest(mac_of(self._key, link, self.end.mac), link.mac):
            is_valid = False
            self._alarm(link.seq, "was altered, inserted or moved")
        lost = self.end.lost + (count_lost(link) if is_valid else 0)
        self.end = ChainHead(self.writer, link.seq, link.mac, lost, link.at)
        self._action = link.action
        self._compare(link.seq)
        if is_valid and link.action in (CHECKPOINTED, PRUNED):
            detail = json.loads(link.detail)
            self.evidence[detail["log"]] = max(
                detail["number"], self.evidence.get(detail["log"], -1)
            )

    def finish(self) -> None:
        """Checks after the last link whether later ones are missing."""
        self._start_at_anchor_if_pruned()
        head, mark = self.expected.head, self.expected.mark
        if head is not None and self.end.seq < head.seq:
            self._report_missing(f"and all records up to {head.seq} are missing: truncated")
        if mark is not None and self.end.seq < mark.seq:
            self._alarm(
                self.end.seq + 1, f"and all records up to checkpoint {mark.seq} are missing"
            )
        if self._action not in (CLOSED, ""):
            self._report.note(
                self.writer, "has no closing record: its process still runs or was killed"
            )
        self._report.lost += self.end.lost

    def compare_head(self, head: ChainHead | None) -> None:
        """Compares with the head, read again after the links, which must not be behind."""
        if head is None:
            self._alarm(None, "has no head")
        elif head.seq < self.end.seq:
            self._alarm(head.seq, f"is the head, but the chain continues to {self.end.seq}")
        elif head.seq == self.end.seq:
            self._compare_with_head(head)

    def _follows(self, link: ChainedRecord) -> bool:
        """Whether the previous MAC is known."""
        if link.seq == self.end.seq + 1:
            return True
        if self.end.seq == 0 and (mac := self.expected.anchors.get(link.seq - 1)) is not None:
            self._pruned = True
            self.end = self.end._replace(seq=link.seq - 1, mac=bytes.fromhex(mac))
            return True
        return self._report_missing(f"and all records before {link.seq} are missing")

    def _report_missing(self, what: str) -> bool:
        """Reports missing links; without a checkpoint here, another node may have pruned them."""
        if self.end.seq == 0 and self.expected.mark is None and not self.expected.anchors:
            self.unseen.append((1, what))
        else:
            self._alarm(self.end.seq + 1, what)
        return False

    def _compare(self, seq: int) -> None:
        head, mark = self.expected.head, self.expected.mark
        if head is not None and seq == head.seq:
            self._compare_with_head(head)
        if mark is not None and seq == mark.seq and self.end.mac.hex() != mark.mac:
            self._alarm(seq, "differs from the checkpoint")

    def _compare_with_head(self, head: ChainHead) -> None:
        end = self.end if not self._pruned else self.end._replace(lost=head.lost)
        if tuple(head) != tuple(end):
            self._alarm(head.seq, "differs from the chain's head")

    def _start_at_anchor_if_pruned(self) -> None:
        head = self.expected.head
        if self.end.seq == 0 and head is not None and head.seq in self.expected.anchors:
            self._pruned = True
            mac: Any = self.expected.anchors[head.seq]
            self.end = ChainHead(self.writer, head.seq, bytes.fromhex(mac), head.lost, head.at)
            self._compare_with_head(head)

    def _alarm(self, seq: int | None, what: str) -> None:
        self._report.alarm(self.writer, seq, what)
