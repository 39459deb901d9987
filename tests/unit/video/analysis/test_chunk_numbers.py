"""Into how many chunks a recording is split."""

from hypothesis import given
from hypothesis import strategies as st

from deployments.video.analysis.tasks import MAX_CHUNK_S, chunk_count


@given(duration=st.floats(0, 86_400), wanted=st.integers(1, 64))
def test_no_chunk_is_long_and_every_worker_has_as_many(duration: float, wanted: int) -> None:
    number = chunk_count(duration, wanted)

    assert number % wanted == 0
    assert duration / number <= MAX_CHUNK_S + 1e-6
    assert number == wanted or duration / (number - wanted) > MAX_CHUNK_S - 1e-6


def test_a_short_recording_is_split_as_was_wanted() -> None:
    assert chunk_count(40.0, 2) == 2
    assert chunk_count(0.0, 1) == 1
