"""Places of pictures in a text that a guardrail has changed."""

import pytest

from deployments.ingress.pipeline.image_inputs import moved_places


@pytest.mark.parametrize(
    ("before", "after", "places", "moved"),
    [
        ("call 555 now", "call [phone] now", (0, 5, 8, 12), (0, 5, 12, 16)),
        ("a 1 b 2 c", "a [x] b [y] c", (0, 2, 5, 9), (0, 2, 11, 13)),
        ("same", "same", (0, 2, 4), (0, 2, 4)),
        ("gone", "", (0, 4), (0, 0)),
        ("aaaa", "aa", (1, 4), (1, 2)),
    ],
)
def test_pictures_stay_in_order_beside_their_words(
    before: str, after: str, places: tuple[int, ...], moved: tuple[int, ...]
) -> None:
    result = moved_places(before, after, places)

    assert result == moved
    assert list(result) == sorted(result)
