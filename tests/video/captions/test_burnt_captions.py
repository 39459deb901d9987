"""Captions as they are seen: where they are, what lights up when, and that text stays text."""

import re
from pathlib import Path

import numpy as np
import pytest

from deployments.video.captions import captions, styles
from tests.media_fixtures.spoken import said, speech
from tests.video.captions.screen import FPS, draw, drawn_outside, near

YELLOW, WHITE = (255, 212, 0), (255, 255, 255)
BOXED = [name for name in styles() if name != "none"]
SHAPES = {"9:16": (180, 320), "1:1": (240, 240), "16:9": (320, 180), "4:5": (192, 240)}


def ass(text: object, style: str = "karaoke", width: int = 180, height: int = 320) -> str:
    transcript = speech(text) if isinstance(text, str) else text
    burnt = captions(transcript, 0.0, 2.0, style, width, height).ass
    assert burnt is not None
    return burnt


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("style", BOXED)
def test_only_the_safe_area_is_drawn_on_even_without_the_clip(
    style: str, shape: str, tmp_path: Path
) -> None:
    width, height = SHAPES[shape]
    words = ["Wonderful", "grandmothers", "ÅĮŞ", "jumping", "QUICKLY", "W" * 60, "over", "a", "log"]
    talk = said(*((0.2 * i, 0.2 * i + 0.19, word) for i, word in enumerate(words)))
    text = ass(talk, style, width, height)
    assert text.count("\\clip(") == text.count("Dialogue:")
    frames, _ = draw(re.sub(r"\\clip\(.*?\)", "", text), tmp_path, width, height, seconds=1.8)

    assert drawn_outside(frames) == 0
    assert all(near(frame, (0, 0, 0)) < width * height for frame in frames)


def test_the_font_we_bring_is_the_one_that_draws(tmp_path: Path) -> None:
    _, log = draw(ass("Hello there"), tmp_path, seconds=0.1)

    chosen = set(re.findall(r"fontselect: \((.*?), .*?\) -> (\S+?),", log))
    assert chosen == {("Inter Extra Bold", "Inter-ExtraBold")}
    assert "not found" not in log


def test_each_word_has_its_colour_while_it_is_said(tmp_path: Path) -> None:
    frames, _ = draw(ass(speech("one two", each=0.5)), tmp_path)
    lit = [near(frame, YELLOW) for frame in frames]
    columns = [
        np.flatnonzero((np.abs(frame.astype(int) - YELLOW).max(axis=-1) < 30).any(axis=0))
        for frame in frames
    ]

    first, second = round(0.25 * FPS), round(0.75 * FPS)
    assert min(lit[first], lit[second]) > 20
    assert columns[first].max() < columns[second].min()
    assert near(frames[first], WHITE) > 20


def test_no_word_is_lit_before_or_after_it_is_said(tmp_path: Path) -> None:
    late = said((0.0, 0.2, "now"), (0.6, 0.8, "then"))
    frames, _ = draw(ass(late), tmp_path)

    assert near(frames[round(0.4 * FPS)], YELLOW) == 0
    assert near(frames[round(0.4 * FPS)], WHITE) > 20
    assert near(frames[round(0.7 * FPS)], YELLOW) > 20
    assert near(frames[round(0.9 * FPS)], YELLOW) == 0


def test_nothing_is_drawn_while_nobody_speaks(tmp_path: Path) -> None:
    frames, _ = draw(ass(said((0.5, 0.7, "now"))), tmp_path)
    assert not frames[: round(0.5 * FPS)].any()
    assert frames[round(0.55 * FPS)].any()


@pytest.mark.parametrize(
    "hostile", [r"{\an8}", r"a\Nb", r"{\p1}m 0 0 l 9 9{\p0}", r"\h\n\{", "{\\pos(0,0)\\fs99}", "}{"]
)
def test_text_that_looks_like_commands_is_drawn_as_text(hostile: str, tmp_path: Path) -> None:
    frames, _ = draw(ass(said((0.0, 1.0, hostile)), "minimal"), tmp_path, seconds=0.1)
    plain = re.sub(r"[\\{}]", "i", hostile)  # just as many narrow letters
    expected, _ = draw(ass(said((0.0, 1.0, plain)), "minimal"), tmp_path, seconds=0.1)

    assert drawn_outside(frames) == 0
    rows, columns = (np.flatnonzero(frames[0].any(axis=(axis, 2))) for axis in (1, 0))
    wanted = np.flatnonzero(expected[0].any(axis=(1, 2)))
    wide = np.flatnonzero(expected[0].any(axis=(0, 2)))
    assert abs(rows.mean() - wanted.mean()) < 4
    assert np.ptp(columns) >= np.ptp(wide) - 6


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("مرحبا بالعالم hello", id="Arabic"),
        pytest.param("日本語の長いテキスト ok", id="Japanese"),
        pytest.param("Z̸̢̡̛̗̘̙̜̝̞̟̠̤̥̦̩̪̫̬̭̮̯̰̱̲̳̹̺̻̼ algo", id="stacked accents"),
        pytest.param(
            "go 🎉👩\u200d👩\u200d👧 \u202egnp.exe\u202c x", id="emoji and direction marks"
        ),
        pytest.param("W" * 200, id="200 wide letters"),
    ],
)
def test_unusual_text_is_drawn_without_harm(text: str, tmp_path: Path) -> None:
    frames, log = draw(ass(text), tmp_path)
    assert drawn_outside(frames) == 0
    assert frames.any()
    assert "not found" not in log
