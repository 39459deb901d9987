"""Scripts with a font, as they are seen: drawn by it, within the safe area, in their order."""

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from deployments.video.captions import captions
from tests.media_fixtures.scripts import SCRIPTS
from tests.media_fixtures.spoken import said
from tests.video.captions.screen import FPS, draw, drawn_outside, near

YELLOW = (255, 212, 0)
SIZES = [(180, 320), (240, 240), (320, 180)]

RIGHT_TO_LEFT = {"Arabic", "Hebrew"}
SMOKE = {"Arabic", "Thai", "Chinese"}


def burnt(text: str, style: str = "karaoke", size: tuple[int, int] = (180, 320)) -> str:
    words = (((0.5 * i, 0.5 * i + 0.5, word)) for i, word in enumerate(text.split()))
    made = captions(said(*words), 0.0, 2.0, style, *size).ass
    assert made is not None
    return made


def lit_centre(frame: NDArray[np.uint8]) -> tuple[float, float]:
    """Row and column of the middle of what is lit."""
    lit = np.argwhere(np.abs(frame.astype(int) - YELLOW).max(axis=-1) < 30)
    assert len(lit) > 8
    row, column = lit.mean(axis=0)
    return float(row), float(column)


@pytest.mark.parametrize(
    "script",
    [pytest.param(name, marks=() if name in SMOKE else pytest.mark.exhaustive) for name in SCRIPTS],
)
def test_a_script_is_drawn_by_its_font_and_lit_in_its_order(script: str, tmp_path: Path) -> None:
    text, font = SCRIPTS[script]
    frames, log = draw(burnt(text), tmp_path, seconds=1.5)

    assert drawn_outside(frames) == 0
    assert "not found" not in log
    assert font in set(re.findall(r"fontselect: .*? -> (\S+?),", log))
    first, second, third = (lit_centre(frames[round(time * FPS)]) for time in (0.25, 0.75, 1.25))
    for before, after in ((first, second), (second, third)):
        if abs(before[0] - after[0]) < 6:  # in one line
            assert (after[1] < before[1]) == (script in RIGHT_TO_LEFT)
        else:
            assert before[0] < after[0]


def test_the_order_of_a_line_stays_while_its_words_are_lit(tmp_path: Path) -> None:
    frames, _ = draw(burnt("שלום (לכולם) iPhone 15!"), tmp_path, seconds=1.5)
    shapes = [frame.max(axis=-1) > 60 for frame in (frames[5], frames[15], frames[25])]
    assert all((shape ^ shapes[0]).mean() < 0.01 for shape in shapes)


@pytest.mark.exhaustive
@pytest.mark.parametrize("style", ["bold-pop", "minimal", "boxed"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("script", SCRIPTS)
def test_every_style_and_shape_holds_every_script(
    script: str, style: str, size: tuple[int, int], tmp_path: Path
) -> None:
    text = re.sub(r"\\clip\(.*?\)", "", burnt(SCRIPTS[script][0], style, size))
    frames, log = draw(text, tmp_path, *size, seconds=1.5)

    assert drawn_outside(frames) == 0
    assert frames[3].any()
    assert near(frames[3], (0, 0, 0)) < size[0] * size[1]
    assert "not found" not in log
