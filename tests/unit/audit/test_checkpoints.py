"""The checkpoint file: several processes append, a kill may cut a line, a public key suffices."""

import multiprocessing
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_public_key

from cluster.audit.checkpoint_log import CheckpointLog
from cluster.audit.checkpoints import FILE, PUBLIC, ChainPosition, append
from cluster.audit.keys import AuditKeys

KEYS = AuditKeys.derive(b"pepper")


def write(folder: Path, writer: str, count: int) -> None:
    for seq in range(1, count + 1):
        append(folder, KEYS, [ChainPosition(writer, seq, "00" * 32)], float(seq))


def read(folder: Path) -> CheckpointLog:
    log = CheckpointLog(folder / FILE, KEYS.public)
    log.advance()
    return log


def test_processes_that_append_at_once_make_one_chain(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("spawn")
    processes = [fork.Process(target=write, args=(tmp_path, f"w{n}", 20)) for n in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()

    log = read(tmp_path)
    assert (log.faults, log.number) == ([], 59)
    assert {mark.seq for mark in log.marks.values()} == {20}


def test_half_a_line_is_no_alarm_and_the_next_checkpoint_replaces_it(tmp_path: Path) -> None:
    write(tmp_path, "w", 2)
    with (tmp_path / FILE).open("ab") as file:
        file.write(b'{"at":1.0,"hea')
    torn = read(tmp_path)
    assert (torn.faults, torn.unfinished) == ([], True)

    write(tmp_path, "v", 1)
    mended = read(tmp_path)
    assert (mended.faults, mended.unfinished, mended.number) == ([], False, 2)


def test_what_follows_a_damaged_line_is_still_numbered(tmp_path: Path) -> None:
    write(tmp_path, "w", 3)
    content = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(content[:-40] + b"\xff" * 39 + b"\n")
    write(tmp_path, "v", 1)

    log = read(tmp_path)
    assert log.faults == ["line 2: was altered, or signed by another key"]
    assert log.number == 3


def test_the_public_key_beside_the_file_checks_it(tmp_path: Path) -> None:
    write(tmp_path, "w", 3)
    public = load_pem_public_key((tmp_path / PUBLIC).read_bytes())
    log = CheckpointLog(tmp_path / FILE, public)  # type: ignore[arg-type]
    log.advance()
    assert log.faults == []


def test_another_key_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "w", 1)
    log = CheckpointLog(tmp_path / FILE, AuditKeys.derive(b"another").public)
    log.advance()
    assert len(log.faults) == 1


def test_a_file_that_grows_is_read_on(tmp_path: Path) -> None:
    write(tmp_path, "w", 2)
    log = read(tmp_path)
    write(tmp_path, "v", 1)
    log.advance()
    assert (log.faults, log.number, set(log.marks)) == ([], 2, {"w", "v"})
