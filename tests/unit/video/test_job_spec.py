"""What a job of clips is told survives the store, whatever it is."""

import json
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts.clips import ASPECTS, ClipOptions, Quality
from deployments.video.job_spec import ClipJobSpec, from_spec, to_spec
from tests.media_fixtures.infos import picture, sound

words = st.text(max_size=20)
seconds = st.floats(0, 86_400, allow_nan=False)
options = st.builds(
    ClipOptions,
    count=st.integers(1, 30),
    min_s=seconds,
    max_s=seconds,
    start=seconds,
    end=st.none() | seconds,
    aspects=st.lists(st.sampled_from(sorted(ASPECTS)), min_size=1, unique=True).map(tuple),
    quality=st.sampled_from(get_args(Quality)),
    captions=words,
    framing=st.sampled_from(["auto", "follow", "fit"]),
    keywords=st.lists(words, max_size=5).map(tuple),
    language=st.none() | words,
    loudness=st.floats(-30, -9),
    texts=st.booleans(),
    rerank=st.booleans(),
    ssim=st.booleans(),
    seed=st.integers(0, 2**31 - 1),
)
orders = st.builds(
    ClipJobSpec,
    video=words,
    name=words,
    path=words,
    sha256=words,
    info=st.sampled_from([picture(12.5), picture(3.0, 1080, 1920), sound(60.0)]),
    options=options,
    video_seconds=st.integers(1, 86_400),
    clip_days=st.floats(0.1, 3650),
    transcript=st.none() | st.tuples(words, st.sampled_from(["srt", "vtt", "json"])),
)
PLAIN = ClipJobSpec(
    "vid_1", "talk.mp4", "videos/vid_1/source", "ab", picture(9.0), ClipOptions(), 9, 7.0
)


@given(orders)
def test_an_order_is_the_same_after_the_store(order: ClipJobSpec) -> None:
    assert from_spec(json.loads(json.dumps(to_spec(order)))) == order


def test_every_option_is_kept() -> None:
    assert set(to_spec(PLAIN)["options"]) == set(ClipOptions.__slots__)


@pytest.mark.parametrize("missing", sorted(to_spec(PLAIN)))
def test_what_is_no_order_is_refused(missing: str) -> None:
    spec = to_spec(replace(PLAIN))
    del spec[missing]

    with pytest.raises(KeyError, match=missing):
        from_spec(spec)


def test_an_option_that_nobody_knows_is_refused() -> None:
    spec = to_spec(PLAIN)
    spec["options"]["colour"] = "red"

    with pytest.raises(TypeError):
        from_spec(spec)
