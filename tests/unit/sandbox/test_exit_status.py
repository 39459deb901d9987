"""However a child ends, it is gone, and what it died of is told."""

import logging
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from deployments.sandbox import ChildLimits, SandboxedCommand, run
from deployments.sandbox.binary import ROOT, ffmpeg_binary
from deployments.sandbox.errors import Cancelled, MediaDamaged, SandboxFailed, ScratchFull

FAMILY = ("/bin/sh", "-c", "sleep 60 & echo $$; sleep 60")
FORKING = ChildLimits(forks=True, wall_s=30.0)


def alive(group: int) -> bool:
    """Whether a process of the group runs; ended ones that init has yet to collect do not."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, of_group = stat.read_text().rpartition(")")[2].split()[:3]
            if int(of_group) == group and state not in "ZX":
                return True
    return False


def until_gone(group: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while alive(group) and time.monotonic() < end:
        time.sleep(0.01)
    return not alive(group)


def test_cancelling_kills_the_child_and_its_own_at_once(folder) -> None:
    lines: list[str] = []
    began = time.monotonic()

    with pytest.raises(Cancelled):
        run(
            SandboxedCommand(
                FAMILY, folder, FORKING, cancel=lambda: bool(lines), on_line=lines.append
            )
        )

    assert until_gone(int(lines[0]), 20.0)
    assert time.monotonic() - began < 50.0  # the child would sleep for 60


def test_what_a_child_left_running_ends_with_it(folder) -> None:
    finished = run(SandboxedCommand(("/bin/sh", "-c", "sleep 60 & echo $$"), folder, FORKING))

    assert until_gone(int(finished.out), 20.0)
    assert finished.wall_s < 50.0


def test_a_listener_that_fails_ends_the_child(folder) -> None:
    def listener(line: str) -> None:
        raise RuntimeError(line)

    with pytest.raises(RuntimeError) as told:
        run(SandboxedCommand(FAMILY, folder, FORKING, on_line=listener))

    assert until_gone(int(str(told.value)), 2.0)


def test_when_the_worker_is_killed_its_children_die(folder) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from deployments.sandbox import SandboxedCommand, run\n"
        "argv = (sys.executable, '-c', "
        "'import os, time; print(os.getpid(), flush=True); time.sleep(60)')\n"
        "show = lambda line: print(line, flush=True)\n"
        "run(SandboxedCommand(argv, Path(sys.argv[1]), on_line=show))\n"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert worker.stdout is not None
    with worker, worker.stdout:
        child = int(worker.stdout.readline())
        assert alive(child)

        worker.kill()
        worker.wait()

        assert until_gone(child, 2.0)


def test_lines_arrive_as_they_are_written(python) -> None:
    lines: list[tuple[str, float]] = []
    code = "import time; print('first', flush=True); time.sleep(0.3); print('se\\xffcond', end='')"

    python(code, on_line=lambda line: lines.append((line, time.monotonic())))

    assert [line for line, _ in lines] == ["first", "se\xffcond"]
    assert lines[1][1] - lines[0][1] > 0.2


def test_standard_input_is_read(python) -> None:
    code = "import sys; print(len(sys.stdin.buffer.read()))"

    assert python(code, stdin=b"x" * 300_000).out == b"300000\n"
    assert python(code).out == b"0\n"


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT])
def test_a_crash_means_a_damaged_recording(python, number: int) -> None:
    with pytest.raises(MediaDamaged) as failed:
        python(f"import os; os.kill(os.getpid(), {int(number)})")

    assert failed.value.extensions == {"signal": int(number)}


@pytest.mark.parametrize("number", [9, 15, 2, 1, 3])
def test_a_child_ended_by_somebody_else_is_our_failure(python, number: int) -> None:
    """As when a whole cluster is ended: the job goes on later, the recording is not to blame."""
    code = (
        f"import os, signal; signal.signal({number}, signal.SIG_DFL); "
        if number != 9
        else "import os; "
    )

    with pytest.raises(SandboxFailed):
        python(code + f"os.kill(os.getpid(), {number})")


def test_an_ffmpeg_that_is_told_to_end_is_our_failure(folder: Path) -> None:
    endless = ("-v", "error", "-f", "lavfi", "-i", "testsrc2=s=64x64", "-f", "null", "-")
    script = f"{ffmpeg_binary()} {' '.join(endless)} & sleep 0.5; kill -15 $!; wait $!"

    with pytest.raises(SandboxFailed):
        run(SandboxedCommand(("/bin/sh", "-c", script), folder, FORKING))


def test_a_failing_program_is_a_problem_whose_last_words_are_noted_for_the_log(python) -> None:
    with pytest.raises(MediaDamaged) as failed:
        python("import sys; sys.exit('what was wrong')")

    assert "what was wrong" not in failed.value.detail
    assert "what was wrong" in failed.value.__notes__[0]
    assert failed.value.extensions == {"exit_status": 1}


def test_a_failure_can_be_asked_for_as_a_value(python) -> None:
    finished = python("import sys; sys.exit(3)", allow_failure=True)

    assert finished.status == 3


def test_a_full_disk_is_told_from_a_damaged_recording(python) -> None:
    code = "import os; os.write(os.open('/dev/full', os.O_WRONLY), b'x')"

    with pytest.raises(ScratchFull):
        python(code, writable=(Path("/dev/full"),))


def test_our_own_failures_are_logged(python, caplog) -> None:
    with pytest.raises(SandboxFailed):
        python("import os; os.write(2, b'last words'); os.kill(os.getpid(), 9)")

    assert "last words" in caplog.text


@pytest.mark.parametrize("program", ["/no/such/program", str(ROOT / "pyproject.toml")])
def test_a_program_that_cannot_start_is_our_failure(folder: Path, program: str) -> None:
    with pytest.raises(SandboxFailed):
        run(SandboxedCommand((program,), folder))


def test_a_missing_folder_is_our_failure(tmp_path: Path) -> None:
    with pytest.raises(SandboxFailed):
        run(SandboxedCommand(("/bin/true",), tmp_path / "gone"))


@pytest.mark.parametrize("is_probe", [False, True])
def test_the_failure_of_a_child_is_an_error_of_the_log_unless_it_was_a_probe(
    is_probe: bool, folder, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("mobula"), "propagate", True)
    command = ("/bin/sh", "-c", "echo no encoder >&2; exit 255")

    with caplog.at_level(logging.INFO, "mobula"), pytest.raises(SandboxFailed):
        run(SandboxedCommand(command, folder, is_probe=is_probe))

    assert ("no encoder" in caplog.text) is not is_probe
