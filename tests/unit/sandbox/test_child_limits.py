"""Every limit of a child bites, and says which it was."""

import resource
import time

import pytest

from deployments.sandbox import ChildLimits, CompletedChild, SandboxedCommand, run
from deployments.sandbox.binary import ffmpeg_binary
from deployments.sandbox.errors import MediaTimeout, MediaTooLarge


def test_memory_is_limited(python) -> None:
    with pytest.raises(MediaTooLarge) as refused:
        python("bytearray(600 << 20)", ChildLimits(memory_bytes=512 << 20))

    assert refused.value.extensions == {"field": "memory_bytes", "limit": 512 << 20, "got": None}


def test_within_its_memory_a_child_runs_and_reports_its_peak(python) -> None:
    finished = python("x = b'1' * (120 << 20)", ChildLimits(memory_bytes=512 << 20))

    mine = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10  # a child begins as its parent
    assert 120 << 20 < finished.rss_bytes <= max(512 << 20, mine)


def test_cpu_time_is_limited_over_all_threads(python) -> None:
    began = time.monotonic()

    with pytest.raises(MediaTooLarge) as refused:
        python("while True: pass", ChildLimits(cpu_s=1, wall_s=60.0))

    assert refused.value.extensions["field"] == "cpu_s"
    assert time.monotonic() - began < 55.0


def test_wall_time_is_limited(python) -> None:
    began = time.monotonic()

    with pytest.raises(MediaTimeout):
        python("import time; time.sleep(60)", ChildLimits(wall_s=0.3))

    assert time.monotonic() - began < 50.0


def test_a_file_cannot_outgrow_the_output_limit(folder) -> None:
    noise = ("-f", "lavfi", "-i", "testsrc2=d=1", "-f", "rawvideo", "out.raw")

    with pytest.raises(MediaTooLarge) as refused:
        run(SandboxedCommand((ffmpeg_binary(), *noise), folder, ChildLimits(output_bytes=100_000)))

    assert refused.value.extensions["field"] == "output_bytes"
    assert (folder / "out.raw").stat().st_size == 100_000


def test_open_files_are_limited(python) -> None:
    code = "n = 0\ntry:\n while True: x = [open('/dev/null') for _ in range(100)]\n"
    code += "except OSError as error: print(error.errno)"

    assert python(code, ChildLimits(files=20)).out == b"24\n"


def test_no_core_is_dumped(python) -> None:
    code = "import resource; print(resource.getrlimit(resource.RLIMIT_CORE))"

    assert python(code).out == b"(0, 0)\n"


def test_a_limit_above_our_own_is_lowered_to_ours(python) -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    code = "import resource; print(resource.getrlimit(resource.RLIMIT_NOFILE)[1])"

    assert int(python(code, ChildLimits(files=most + 1)).out) == most


def test_output_and_last_words_are_kept_only_so_far(python) -> None:
    code = "import sys; sys.stdout.write('o' * 5_000_000); sys.stderr.write('e' * 90_000 + 'end')"

    finished: CompletedChild = python(code)

    assert len(finished.out) == 1 << 20
    assert len(finished.err) == 16 << 10
    assert finished.err.endswith("end")
