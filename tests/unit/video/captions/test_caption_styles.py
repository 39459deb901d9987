"""Styles and fonts: named, checked, and never made of ASS."""

import math
from pathlib import Path

import pytest

from deployments.contracts.media import Transcript, Word
from deployments.video.captions import (
    FONTS,
    CaptionStyle,
    ass,
    captions,
    fonts,
    glyphs,
    register,
    safe_area,
    styles,
    unsupported_scripts,
)
from deployments.video.captions.font import Font, read_font
from deployments.video.captions.styles import find


def test_the_styles_have_names() -> None:
    assert {"karaoke", "bold-pop", "minimal", "boxed", "none"} <= set(styles())
    assert find("none") is None


def test_an_operator_can_add_a_style_but_not_replace_one() -> None:
    house = register(CaptionStyle("house-of-tests", colour="#00FF00", size=0.08))
    assert find("house-of-tests") == house
    assert register(house) is house
    with pytest.raises(ValueError, match="already"):
        register(CaptionStyle("house-of-tests", size=0.05))


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "a{b"},
        {"name": "none"},
        {"name": "x", "colour": "&HFF&"},
        {"name": "x", "active": "#12345\n"},
        {"name": "x", "size": math.nan},
        {"name": "x", "size": 3.0},
        {"name": "x", "words": 0},
        {"name": "x", "box": 1.5},
    ],
)
def test_a_style_takes_checked_values_only(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="a style's"):
        CaptionStyle(**wrong)


def test_captions_in_tall_pictures_stay_clear_of_the_platforms_own_words() -> None:
    assert 0.12 <= 1 - safe_area(1080, 1920).bottom <= 0.20
    assert safe_area(1920, 1080).bottom > safe_area(1080, 1080).bottom > safe_area(720, 1280).bottom


def test_the_font_is_ours_free_and_small() -> None:
    font, *others = fonts()
    assert {"Noto Sans Arabic", "Noto Sans CJK JP", "Noto Emoji"} <= {one.family for one in others}
    assert all(one.path.stat().st_size <= 900_000 for one in others if one.path.parent == FONTS)
    assert "SIL OPEN FONT LICENSE" in (FONTS / "OFL-Noto.txt").read_text()
    assert font.family == "Inter Extra Bold"
    assert font.path.stat().st_size <= 700_000
    assert "SIL OPEN FONT LICENSE" in (FONTS / "OFL.txt").read_text().upper()
    assert font.draws("Žluťoučký Ελλάδα Москва ₫ …")
    assert not font.draws("日")
    assert font.width("mm") == 2 * font.width("m") > font.width("ii")


def test_characters_and_widths_are_those_of_the_files() -> None:
    """Figures of the tables `cmap`, `hmtx`, `head` and `OS/2`."""
    read = {font.family: font for font in fonts()}
    inter, cjk = read["Inter Extra Bold"], read["Noto Sans CJK JP"]
    assert (len(inter.advances), len(cjk.advances)) == (2505, 44810)
    assert (round(inter.em, 4), round(cjk.em, 4)) == (0.8263, 0.6906)
    assert (round(inter.width("Wide"), 4), round(cjk.width("日本"), 4)) == (2.1411, 1.3812)
    assert not read["Noto Sans Lao"].draws("a")


def test_words_that_our_font_cannot_draw_are_drawn_by_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    em = fonts()[0].em
    snow = Font("Snow", FONTS / "snow.ttf", em, dict.fromkeys(range(0xF00, 0x1000), 0.5))
    for module in (ass, glyphs):
        monkeypatch.setattr(module, "fonts", lambda: (*fonts(), snow))
    talk = Transcript((Word(0, 1, "\u0f56\u0f7c\u0f51!"), Word(1, 2, "hello")), "sidecar")
    burnt = str(captions(talk, 0, 5, "minimal", 720, 1280).ass)

    inter, other = r"{\fnInter Extra Bold}", r"{\fnSnow}"
    assert f"{other}\u0f56\u0f7c\u0f51{inter}! {inter}hello" in burnt
    assert unsupported_scripts(talk) == frozenset()


def test_a_file_that_is_no_font_is_named(tmp_path: Path) -> None:
    for content in (b"", b"OTTO", bytes(range(256)) * 9):
        (tmp_path / "odd.ttf").write_bytes(content)
        with pytest.raises(ValueError, match=r"odd\.ttf"):
            read_font(tmp_path / "odd.ttf")
    whole = (FONTS / "NotoSansLao-Bold.ttf").read_bytes()
    for length in range(0, 2_000, 7):  # the directory of tables, and the first of them
        (tmp_path / "odd.ttf").write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"odd\.ttf"):
            read_font(tmp_path / "odd.ttf")
    (tmp_path / "odd.ttf").unlink()
    with pytest.raises(ValueError, match="no font"):
        fonts(tmp_path)
