"""How closely a recording is looked at before it is ranked."""

import pytest

from deployments.contracts.media import NO_TRANSCRIPT, Transcript, Word
from deployments.video.analysis_cache import SPOKEN_SHARE, analysis_mode


def spoken(share: float, duration: float = 100.0) -> Transcript:
    """Ten words that fill a share of the recording."""
    length = share * duration / 10
    words = tuple(Word(n * 10.0, n * 10.0 + length, "word") for n in range(10))
    return Transcript(words, "sidecar")


@pytest.mark.parametrize(
    ("transcript", "duration", "depth"),
    [
        pytest.param(NO_TRANSCRIPT, 100.0, "exact", id="nothing is known to be said"),
        pytest.param(spoken(0.1), 100.0, "exact", id="little is said"),
        pytest.param(spoken(SPOKEN_SHARE + 0.01), 100.0, "fast", id="a talk"),
        pytest.param(spoken(0.9), 100.0, "fast", id="nothing but talk"),
        pytest.param(spoken(0.9), 0.0, "exact", id="no duration"),
        pytest.param(spoken(0.9), 1000.0, "exact", id="a talk at the beginning only"),
    ],
)
def test_pictures_matter_less_where_much_is_said(
    transcript: Transcript, duration: float, depth: str
) -> None:
    assert analysis_mode(transcript, duration) == depth
