"""Abilities are found out by trying, and a lack says why."""

import ctypes

import pytest

from deployments.video.capabilities import ffmpeg_version, probe_nvenc, probe_sandbox

LANDLOCK_CREATE_RULESET = 444


def test_the_render_engine_starts_and_tells_its_version() -> None:
    ability = ffmpeg_version()

    assert ability.available
    assert ability.facts["version"] in ability.detail


def test_gpu_encoding_is_told_by_an_encode() -> None:
    ability = probe_nvenc()

    assert ability.available == (ability.facts.get("encoder") == "h264_nvenc")
    assert ability.available or "does not encode here: " in ability.detail


def test_what_the_kernel_closes_off_is_told() -> None:
    ability = probe_sandbox()

    assert set(ability.facts) == {
        "files", "network", "processes", "attributes", "ipc", "other_processes",
    }  # fmt: skip
    assert ability.available == (set(ability.facts.values()) == {"closed"})


def test_a_kernel_with_landlock_closes_everything_off() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(LANDLOCK_CREATE_RULESET, None, 0, 1) < 1:
        pytest.skip("this kernel has no Landlock")

    assert probe_sandbox().available
