"""Abilities are found out by trying, and a lack says why."""

from deployments.clipper.abilities import ffmpeg_version, nvenc_works, sandbox_strength


def test_the_render_engine_starts_and_tells_its_version() -> None:
    ability = ffmpeg_version()

    assert ability.available
    assert ability.facts["version"] in ability.detail


def test_gpu_encoding_is_told_by_an_encode() -> None:
    ability = nvenc_works()

    assert ability.available == (ability.facts.get("encoder") == "h264_nvenc")
    assert ability.available or "does not encode here: " in ability.detail


def test_what_the_kernel_closes_off_is_told() -> None:
    ability = sandbox_strength()

    assert set(ability.facts) == {"files", "network", "processes"}
    assert ability.available == (set(ability.facts.values()) == {"closed"})
