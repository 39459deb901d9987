"""Every kind of recording that the fixtures make is described as what it was made to be."""

from pathlib import Path
from typing import Any

import pytest

from tests.media_fixtures.in_process import probe_in_process
from tests.media_fixtures.recordings import DURATION_S, KINDS, make

USUAL: dict[str, Any] = {
    "coded_width": 160,
    "coded_height": 90,
    "rotation": 0,
    "vfr": False,
    "bits": 8,
    "hdr": "sdr",
    "interlaced": False,
}
UNUSUAL: dict[str, dict[str, Any]] = {
    "vfr": {"vfr": True},
    "rotated90": {"rotation": 90, "width": 90, "height": 160},
    "rotated180": {"rotation": 180, "width": 160, "height": 90},
    "rotated270": {"rotation": 270, "width": 90, "height": 160},
    "sar": {"width": 213, "height": 90},
    "hdr_pq": {"hdr": "pq", "bits": 10},
    "hdr_hlg": {"hdr": "hlg", "bits": 10},
    "ten_bit": {"bits": 10},
    "alpha": {"bits": 12},
    "tall": {"coded_width": 90, "coded_height": 160},
    "interlaced": {"interlaced": True, "coded_height": 96},
}
RATES = {"fps23976": 24_000 / 1001, "fps2997": 30_000 / 1001, "fps60": 60.0}
STARTS = {"late_picture": 0.4}
SIZES_VARY = {"odd_size"}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kinds")


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_recording_is_described_as_it_was_made(kind: str, recordings: Path) -> None:
    path = make(kind, recordings)

    info = probe_in_process(path)

    assert info.duration == pytest.approx(DURATION_S, abs=0.07)
    assert (info.video is not None) == KINDS[kind].sees
    assert bool(info.audio) == KINDS[kind].hears
    assert info.bytes == path.stat().st_size
    if info.video is not None:
        expected = {**USUAL, **UNUSUAL.get(kind, {})}
        described = {name: getattr(info.video, name) for name in expected}
        if kind in SIZES_VARY:
            expected |= {name: described[name] for name in ("coded_width", "coded_height")}
        assert described == expected
        assert info.video.start == pytest.approx(STARTS.get(kind, 0.0), abs=0.03)
        if kind in RATES:
            assert float(info.video.fps) == pytest.approx(RATES[kind], rel=1e-6)
