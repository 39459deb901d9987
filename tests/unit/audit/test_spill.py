"""Spill files keep links in order, whole batches at a time, for one owner."""

from pathlib import Path

import pytest

from cluster.audit.chain import Chain, ChainedRecord
from cluster.audit.record import AuditRecord
from cluster.audit.spill import Spill, SpillFull


def links(count: int) -> list[ChainedRecord]:
    chain = Chain(b"k", "w")
    return [chain.link(AuditRecord(0.1 * n, "acme", "a", "chat", "\u2028")) for n in range(count)]


def test_links_come_back_in_order_and_unchanged(tmp_path: Path) -> None:
    spill, kept = Spill(tmp_path / "w.spill"), links(1_234)
    for start in range(0, len(kept), 100):
        spill.append(kept[start : start + 100])
    assert [link for batch in spill.batches() for link in batch] == kept
    spill.close()


def test_a_line_that_a_kill_cut_off_is_left_out(tmp_path: Path) -> None:
    spill, kept = Spill(tmp_path / "w.spill"), links(3)
    spill.append(kept)
    content = spill.path.read_bytes()
    spill.path.write_bytes(content[:-30])
    assert list(spill.batches()) == [kept[:2]]
    spill.close()


def test_a_full_file_takes_no_part_of_a_batch(tmp_path: Path) -> None:
    spill, kept = Spill(tmp_path / "w.spill", max_bytes=600), links(5)
    spill.append(kept[:1])
    with pytest.raises(SpillFull):
        spill.append(kept[1:])
    assert list(spill.batches()) == [kept[:1]]
    spill.close()


def test_an_owned_file_is_nobody_elses_and_an_empty_one_goes(tmp_path: Path) -> None:
    spill = Spill(tmp_path / "w.spill")
    assert list(Spill.orphans(tmp_path)) == []
    spill.close()
    assert not spill.path.exists()
