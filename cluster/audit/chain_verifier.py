"""One chain, link by link, against its key, its head and its checkpoint.

Flows in: the rows of one writer in order, as raw as the store gives them. Flows out: alarms and
notes in a report, and where the chain ended. Holds one link at a time.
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
    """What is known of a chain before its links are read."""

    head: ChainHead | None = None
    mark: ChainPosition | None = None
    anchors: Mapping[int, str] = field(default_factory=dict)  # seq -> mac, where it was pruned


class ChainVerifier:
    """The walk along one writer's chain. `step` for every link, then `finish`."""

    def __init__(
        self, key: bytes, writer: str, expected: ChainExpectation, report: VerificationReport
    ) -> None:
        self.writer, self.expected = writer, expected
        self.end = ChainHead(writer, 0, GENESIS, 0, 0.0)
        self.evidence: dict[str, int] = {}  # checkpoint file -> the last number this chain tells of
        self._key, self._report = key, report
        self.unseen: list[tuple[int, str]] = []  # gone from the start, which pruning may explain
        self._action = ""
        self._pruned = False

    def step(self, link: ChainedRecord) -> None:
        """The next link. `link.seq` rises from call to call."""
        sound = self._follows(link)
        if sound and not hmac.compare_digest(mac_of(self._key, link, self.end.mac), link.mac):
            sound = False
            self._alarm(link.seq, "was altered, inserted or moved")
        lost = self.end.lost + (count_lost(link) if sound else 0)
        self.end = ChainHead(self.writer, link.seq, link.mac, lost, link.at)
        self._action = link.action
        self._compare(link.seq)
        if sound and link.action in (CHECKPOINTED, PRUNED):
            told = json.loads(link.detail)
            self.evidence[told["log"]] = max(told["number"], self.evidence.get(told["log"], -1))

    def finish(self) -> None:
        """After the last link: is anything missing behind it?"""
        self._start_at_anchor_if_all_was_pruned()
        head, mark = self.expected.head, self.expected.mark
        if head is not None and self.end.seq < head.seq:
            self._gone(f"is missing, and all up to {head.seq}: cut off")
        if mark is not None and self.end.seq < mark.seq:
            self._alarm(self.end.seq + 1, f"is missing, and all up to checkpoint {mark.seq}")
        if self._action not in (CLOSED, ""):
            self._report.note(self.writer, "has no clean end: it still runs, or was killed")
        self._report.lost += self.end.lost

    def compare_head(self, head: ChainHead | None) -> None:
        """The head, read again after the links: it moves with them, so it is not behind."""
        if head is None:
            self._alarm(None, "has no head")
        elif head.seq < self.end.seq:
            self._alarm(head.seq, f"is the head, but the chain goes on to {self.end.seq}")
        elif head.seq == self.end.seq:
            self._same_as(head)

    def _follows(self, link: ChainedRecord) -> bool:
        """Whether the MAC before this link is known."""
        if link.seq == self.end.seq + 1:
            return True
        if self.end.seq == 0 and (mac := self.expected.anchors.get(link.seq - 1)) is not None:
            self._pruned = True
            self.end = self.end._replace(seq=link.seq - 1, mac=bytes.fromhex(mac))
            return True
        return self._gone(f"is missing, and all before {link.seq}")

    def _gone(self, what: str) -> bool:
        """Without a checkpoint of this chain, who else has one may know that it was pruned."""
        if self.end.seq == 0 and self.expected.mark is None and not self.expected.anchors:
            self.unseen.append((1, what))
        else:
            self._alarm(self.end.seq + 1, what)
        return False

    def _compare(self, seq: int) -> None:
        head, mark = self.expected.head, self.expected.mark
        if head is not None and seq == head.seq:
            self._same_as(head)
        if mark is not None and seq == mark.seq and self.end.mac.hex() != mark.mac:
            self._alarm(seq, "is not what the checkpoint signed")

    def _same_as(self, head: ChainHead) -> None:
        end = self.end if not self._pruned else self.end._replace(lost=head.lost)
        if tuple(head) != tuple(end):
            self._alarm(head.seq, "differs from the chain's head")

    def _start_at_anchor_if_all_was_pruned(self) -> None:
        head = self.expected.head
        if self.end.seq == 0 and head is not None and head.seq in self.expected.anchors:
            self._pruned = True
            mac: Any = self.expected.anchors[head.seq]
            self.end = ChainHead(self.writer, head.seq, bytes.fromhex(mac), head.lost, head.at)
            self._same_as(head)

    def _alarm(self, seq: int | None, what: str) -> None:
        self._report.alarm(self.writer, seq, what)
