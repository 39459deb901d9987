"""Whatever a file is, a probe and a decode of it end: with what it holds, or a typed problem.

No hang, no crash of ours, no memory over the cap, no other file read, no process left.
"""

import os
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from random import Random

import psutil
import pytest

from cluster.runtime.problems import Problem
from deployments.contracts.media import MediaInfo, MediaLimits
from deployments.sandbox import (
    ChildLimits,
    CompletedChild,
    SandboxedCommand,
    private_folder,
    python_child,
    run,
)
from deployments.sandbox.binary import ffmpeg_binary, python_binary
from deployments.sandbox.errors import (
    WIRE,
    MediaDamaged,
    MediaRefused,
    MediaTimeout,
    MediaTooLarge,
    MediaTooShort,
    NoMedia,
    SandboxFailed,
)
from deployments.sandbox.inputs import ffmpeg_input
from deployments.video.probe.probe import probe
from tests.video.hostile_files import (
    SOUND,
    X264,
    compressed_header,
    disguises,
    ffmpeg,
    mutated,
    seeds,
    wave,
    with_reference,
)

BATCH = 40
CHILD = "tests.sandboxed_children.decoding"
DECODE_LIMITS = ChildLimits(memory_bytes=1 << 30, cpu_s=60, wall_s=120.0, output_bytes=1 << 20)
MOST_KIB = 500 << 10
TYPED = {*WIRE, "decoded", "memory", "damaged"}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Private, and afterwards no process of ours is left."""
    before = set(psutil.Process().children(recursive=True))  # such as another test's server
    with private_folder(tmp_path / "work") as made:
        yield made
    assert set(psutil.Process().children(recursive=True)) - before == set()


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return seeds(tmp_path_factory.mktemp("originals"))


def probe_result(path: Path, folder: Path) -> MediaInfo | Problem:
    try:
        return probe(path, folder)
    except Problem as problem:
        return problem


def decode_with_ffmpeg(name: str, folder: Path) -> CompletedChild | Problem:
    command = (ffmpeg_binary(), "-v", "error", "-nostdin", "-xerror", *ffmpeg_input(name))
    sink = ("-threads", "1", "-f", "null", "-")
    try:
        return run(SandboxedCommand((*command, *sink), folder, DECODE_LIMITS))
    except Problem as problem:
        return problem


def decode(names: list[str], folder: Path) -> dict[str, str]:
    """The kind of result of each file. After a crash, another child takes the remaining files."""
    kinds: dict[str, str] = {}
    while names:
        lines: list[str] = []
        request = {"names": names, "limits": asdict(MediaLimits())}
        try:
            python_child(CHILD, request, folder, limits=DECODE_LIMITS, on_line=lines.append)
        except MediaDamaged:
            assert lines[-1].startswith("begin ")
            lines.append(f"end {lines[-1].split()[1]} MediaDamaged 0")
        ends = [line.split() for line in lines if line.startswith("end ")]
        assert all(int(kib) < MOST_KIB for *_, kib in ends), ends
        kinds |= {name: kind for _, name, kind, _ in ends}
        names = [name for name in names if name not in kinds]
    return kinds


def test_disguises_are_refused_and_read_no_other_file(folder: Path, originals: list[Path]) -> None:
    shutil.copy(originals[0], folder / "sibling.mp4")

    paths = disguises(folder, "sibling.mp4")

    assert isinstance(probe_result(paths[0], folder), MediaRefused)
    assert set(decode([path.name for path in paths], folder).values()) == {"MediaRefused"}
    for path in paths:
        assert isinstance(decode_with_ffmpeg(path.name, folder), MediaDamaged), path.name


def test_a_wrong_extension_does_not_matter(folder: Path, originals: list[Path]) -> None:
    shutil.copy(originals[0], folder / "really-mp4.txt")
    shutil.copy(originals[3], folder / "really-wav.mp4")

    assert probe_result(folder / "really-mp4.txt", folder).container == "mov"
    assert probe_result(folder / "really-wav.mp4", folder).container == "wav"


def test_references_to_other_files_are_not_followed(folder: Path, originals: list[Path]) -> None:
    """The other file is a pipe that nobody writes to: opening it would last for ever."""
    target = folder / "other"
    os.mkfifo(target)
    for name, to in (("r.mov", b"other"), ("a.mov", os.fsencode(target))):
        (folder / name).write_bytes(with_reference(originals[0].read_bytes(), to))

        assert not isinstance(probe_result(folder / name, folder), MediaTimeout)
        assert decode([name], folder)[name] in TYPED
        assert not isinstance(decode_with_ffmpeg(name, folder), MediaTimeout)


def test_a_picture_bomb_is_refused_before_it_is_unpacked(folder: Path) -> None:
    bomb = ("-f", "lavfi", "-i", "color=black:s=8192x8192:r=1:d=1", "-frames:v", "1")
    ffmpeg(*bomb, *X264, folder / "bomb.mp4")
    ffmpeg("-i", folder / "bomb.mp4", "-c", "copy", folder / "bomb.ts")

    for name in ("bomb.mp4", "bomb.ts"):
        refused = probe_result(folder / name, folder)
        assert isinstance(refused, MediaTooLarge)
        assert refused.extensions["field"] == "max_pixels"
        finished = run(
            SandboxedCommand(
                (ffmpeg_binary(), "-v", "error", *ffmpeg_input(name), "-f", "null", "-"),
                folder,
                DECODE_LIMITS,
                allow_failure=True,
            )
        )
        idle = run(SandboxedCommand((ffmpeg_binary(), "-version"), folder, DECODE_LIMITS))
        assert finished.rss_bytes < max(200 << 20, 1.1 * idle.rss_bytes)  # a fork starts with ours


def test_the_largest_picture_that_is_accepted_fits_into_the_probe(folder: Path) -> None:
    largest = ("-f", "lavfi", "-i", "testsrc=s=8192x4320:r=4:d=0.5")
    ffmpeg(*largest, "-c:v", "libx264", "-preset", "ultrafast", folder / "largest.mp4")

    result = probe_result(folder / "largest.mp4", folder)

    assert isinstance(result, MediaInfo)
    assert result.video is not None
    assert (result.video.width, result.video.height) == (8192, 4320)


def test_a_picture_that_grows_midway_is_not_unpacked(folder: Path, originals: list[Path]) -> None:
    bomb = ("-f", "lavfi", "-i", "color=black:s=8192x8192:r=1:d=1", "-frames:v", "1")
    ffmpeg(*bomb, *X264, "-bsf:v", "h264_mp4toannexb", folder / "big.ts")
    (folder / "grows.ts").write_bytes(originals[2].read_bytes() + (folder / "big.ts").read_bytes())

    assert decode(["grows.ts"], folder)["grows.ts"] in TYPED


def test_headers_that_claim_too_much_are_typed(folder: Path) -> None:
    claims = {
        "header.mov": compressed_header(0x7FFFFFFF),
        "channels.wav": wave(65_535, 48_000, 16),
        "rate.wav": wave(2, 0xFFFFFFFF, 16),
        "bits.wav": wave(2, 48_000, 65_535),
        "nothing.wav": wave(0, 0, 0),
    }
    for name, data in claims.items():
        (folder / name).write_bytes(data)
        result = probe_result(folder / name, folder)
        assert isinstance(result, MediaInfo | Problem), name
        assert not isinstance(result, SandboxFailed), name

    assert set(decode(list(claims), folder).values()) <= TYPED


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_too_many_streams_are_refused(folder: Path, suffix: str) -> None:
    maps = [word for _ in range(200) for word in ("-map", "0:a")]
    ffmpeg(*SOUND, *maps, "-c:a", "mp2", "-t", "0.3", folder / f"many.{suffix}")

    refused = probe_result(folder / f"many.{suffix}", folder)

    assert isinstance(refused, MediaTooLarge)
    assert refused.extensions["field"] == "max_streams"


def test_a_child_that_ignores_its_cpu_limit_is_killed(folder: Path) -> None:
    code = "import signal; signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass"
    python = (python_binary(), "-I", "-c", code)

    with pytest.raises(MediaTooLarge) as refused:
        run(SandboxedCommand(python, folder, ChildLimits(cpu_s=1, wall_s=60.0)))

    assert refused.value.extensions["field"] == "cpu_s"


@pytest.mark.parametrize("mutations", [240, pytest.param(1_000, marks=pytest.mark.exhaustive)])
def test_mutations_are_probed_and_decoded(
    folder: Path, originals: list[Path], mutations: int
) -> None:
    kinds: Counter[str] = Counter()
    pending = [range(first, min(first + BATCH, mutations)) for first in range(0, mutations, BATCH)]

    def work() -> None:
        while pending:
            numbers = pending.pop()
            with private_folder(folder) as scratch:
                kinds.update(decode(write_mutations(numbers, originals, scratch), scratch).values())

    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert sum(kinds.values()) == mutations
    assert set(kinds) <= TYPED, kinds
    assert kinds["decoded"] > mutations // 5
    assert len(kinds) > 2, kinds


def write_mutations(numbers: range, originals: list[Path], scratch: Path) -> list[str]:
    names = []
    for number in numbers:
        original = originals[number % len(originals)]
        name = f"m{number}{original.suffix}"
        (scratch / name).write_bytes(mutated(original.read_bytes(), Random(number)))
        names.append(name)
    return names


@pytest.mark.parametrize("mutations", [12, pytest.param(32, marks=pytest.mark.exhaustive)])
def test_mutations_through_the_whole_probe_and_the_render_engine(
    folder: Path, originals: list[Path], mutations: int
) -> None:
    names = write_mutations(range(10_000, 10_000 + mutations), originals, folder)

    for name in names:
        result = probe_result(folder / name, folder)
        assert isinstance(
            result,
            MediaInfo | MediaRefused | MediaDamaged | MediaTooLarge | MediaTooShort | NoMedia,
        ), (name, result)
        engine = decode_with_ffmpeg(name, folder)
        assert isinstance(engine, CompletedChild | MediaDamaged | MediaTooLarge), (name, engine)
