"""The journal writes every line once, rotates by size, and survives a disk that refuses."""

from pathlib import Path

from cluster.runtime.line_log import ROTATED_FILES, BufferedLineWriter


def test_lines_appear_in_order_after_a_flush(tmp_path: Path) -> None:
    journal = BufferedLineWriter(tmp_path / "logs", "access")
    for number in range(3):
        journal.write(b'{"n":%d}' % number)
    journal.flush()

    assert journal.path.read_bytes() == b'{"n":0}\n{"n":1}\n{"n":2}\n'
    journal.close()


def test_closing_writes_the_rest(tmp_path: Path) -> None:
    journal = BufferedLineWriter(tmp_path, "access")
    journal.write(b"last")
    journal.close()

    assert journal.path.read_bytes() == b"last\n"


def test_a_full_file_is_rotated_and_only_so_many_are_kept(tmp_path: Path) -> None:
    journal = BufferedLineWriter(tmp_path, "access", rotate_bytes=1)
    for number in range(ROTATED_FILES + 3):
        journal.write(b"%d" % number)
        journal.flush()

    assert journal.path.read_bytes() == b"%d\n" % (ROTATED_FILES + 2)
    assert (tmp_path / "access.1.jsonl").read_bytes() == b"%d\n" % (ROTATED_FILES + 1)
    assert len(list(tmp_path.iterdir())) == ROTATED_FILES + 1
    journal.close()


def test_a_disk_that_refuses_costs_lines_and_nothing_else(tmp_path: Path) -> None:
    journal = BufferedLineWriter(tmp_path / "logs", "access")
    journal.path.mkdir()  # a folder stands where the file should be
    journal.write(b"lost")
    journal.flush()

    assert journal.lost == 1
    journal.close()
