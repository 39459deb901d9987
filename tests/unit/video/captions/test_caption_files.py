"""Caption files: SRT and WebVTT that players accept, whatever was said."""

import math
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.runtime.problems import InvalidRequest
from deployments.contracts.media import NO_TRANSCRIPT, Transcript, Word
from deployments.video.captions import (
    Timeline,
    captions,
    omission_reason,
    on_timeline,
    unsupported_scripts,
)
from tests.media_fixtures.spoken import said, speech

TIME = re.compile(r"(\d\d):(\d\d):(\d\d)[.,](\d{3}) --> (\d\d):(\d\d):(\d\d)[.,](\d{3})")


def blocks(text: str) -> list[tuple[float, float, list[str]]]:
    """Start, end and lines of each cue."""
    found = []
    for block in text.strip().split("\n\n"):
        lines = block.split("\n")
        at = next((i for i, line in enumerate(lines) if TIME.fullmatch(line)), None)
        if at is not None:
            h, m, s, ms, *rest = map(int, TIME.fullmatch(lines[at]).groups())
            last = rest[0] * 3600 + rest[1] * 60 + rest[2] + rest[3] / 1000
            found.append((h * 3600 + m * 60 + s + ms / 1000, last, lines[at + 1 :]))
    return found


def srt(transcript: Transcript, start: float = 0.0, end: float = 10.0) -> str:
    return captions(transcript, start, end, "none", 720, 1280).srt


def test_times_are_the_clips_own() -> None:
    made = captions(speech("Hello there.", start=100.0), 99.0, 110.0, "none", 720, 1280)

    assert made.ass is None
    assert made.srt == "1\n00:00:01,000 --> 00:00:02,010\nHello there.\n"
    assert made.vtt == "WEBVTT\n\n00:00:01.000 --> 00:00:02.010\nHello there.\n"


def test_words_at_the_clips_edges_are_clamped_or_dropped() -> None:
    words = said(
        (4.0, 5.2, "before"), (4.9, 5.5, "early"), (9.5, 10.1, "late"), (9.9, 12.0, "gone")
    )
    (cue_a, cue_b) = blocks(srt(words, 5.0, 10.0))

    assert cue_a[2] == ["early"]
    assert cue_a[0] == 0.0
    assert cue_b[1:] == (5.0, ["late"])


def test_words_said_at_once_or_out_of_order_are_all_kept() -> None:
    talk = said((2, 2, "b."), (1, 9, "a."), (2, 2, "c."), (2, 2, "d."))
    cues = blocks(srt(talk))
    assert [lines for _, _, lines in cues] == [["a."], ["b."], ["c."], ["d."]]


def test_sentences_and_pauses_end_a_cue() -> None:
    talk = said((0, 1, "One"), (1, 2, "two"), (4, 5, "three"))
    assert [lines for _, _, lines in blocks(srt(talk))] == [["One two"], ["three"]]
    talk = speech("Yes. No")
    assert [lines for _, _, lines in blocks(srt(talk))] == [["Yes."], ["No"]]


def test_a_long_sentence_is_split_evenly() -> None:
    talk = speech("word " * 23 + "end.", each=0.3)
    sizes = [sum(len(line.split()) for line in lines) for _, _, lines in blocks(srt(talk))]
    assert sum(sizes) == 24
    assert max(sizes) - min(sizes) <= 1


def test_a_short_cue_stays_until_it_could_be_read() -> None:
    ((start, end, _),) = blocks(srt(said((1.0, 1.1, "Incomprehensibilities"))))
    assert (start, end) == (1.0, 2.05)


def test_east_asian_text_has_no_gaps_and_fills_lines_by_its_width() -> None:
    talk = said((0, 3, "これは日本語の字幕です。"), (3, 6, "とても長いので二行になります。"))
    ((_, _, lines),) = blocks(srt(talk))
    assert "".join(lines) == "これは日本語の字幕です。とても長いので二行になります。"
    assert all(len(line) <= 21 for line in lines)


def test_right_to_left_text_keeps_its_logical_order_and_loses_overrides() -> None:
    ((_, _, lines),) = blocks(srt(speech("مرحبا \u202eبالعالم")))
    assert lines == ["مرحبا بالعالم"]


def test_what_no_font_draws_stays_in_the_files_and_leaves_the_picture() -> None:
    made = captions(speech("go \u0f56\u0f7c\u0f51 now"), 0, 5, "karaoke", 720, 1280)
    assert "go \u0f56\u0f7c\u0f51 now" in made.srt
    assert "\u0f56" not in str(made.ass)
    assert "now" in str(made.ass)


def test_a_cue_ends_where_a_line_of_the_source_does() -> None:
    words = [
        Word(i / 2, i / 2 + 0.5, text)
        for i, text in enumerate(["send", "a", "mail", "Top", "of", "it"])
    ]
    words[2] = replace(words[2], ends_cue=True)
    cues = blocks(srt(Transcript(tuple(words), "sidecar")))
    assert [lines for _, _, lines in cues] == [["send a mail"], ["Top of it"]]


def test_text_cannot_become_markup() -> None:
    made = captions(speech("a<b>&c --> <i>x</i> {\\an8}"), 0, 9, "none", 720, 1280)
    assert "a&lt;b&gt;&amp;c --&gt; &lt;i&gt;x&lt;/i&gt; {\\an8}" in made.vtt
    assert made.srt.count("-->") == 1
    assert "<" not in made.srt
    assert "{\\" not in made.srt


def test_line_breaks_in_a_word_do_not_make_cues() -> None:
    made = said((0, 1, "a\n\n7\n00:00:01,000 --> 00:00:09,000\nforged"))
    assert len(blocks(srt(made))) == 1


def test_nothing_said_makes_empty_files() -> None:
    made = captions(NO_TRANSCRIPT, 0, 5, "karaoke", 720, 1280)
    assert (made.ass, made.srt, made.vtt) == (None, "", "WEBVTT\n")


def test_scripts_without_a_font_are_named() -> None:
    talk = speech("Hello Привет Ελλάδα 日本 العربية")
    assert unsupported_scripts(talk) == frozenset()
    assert omission_reason(talk) == ""
    talk = speech("Hello \u0f56\u0f7c\u0f51 \ua000\ua001")
    assert unsupported_scripts(talk) == {"Tibetan", "Yi"}
    assert "no installed font draws Tibetan, Yi" in omission_reason(talk)
    assert omission_reason(speech("Hello Привет")) == ""
    assert captions(speech("\ua000\ua001"), 0, 5, "karaoke", 720, 1280).ass is None


def test_pauses_cut_out_of_the_clip_are_cut_out_of_its_captions() -> None:
    talk = said((0.0, 1.0, "one."), (5.0, 6.0, "two."), (8.0, 9.0, "lost"))
    made = on_timeline(talk, Timeline(((0.0, 2.0), (5.0, 7.0))), None, 720, 1280)
    assert [cue[:2] for cue in blocks(made.srt)] == [(0.0, 1.25), (2.0, 3.25)]


def test_the_language_decides_about_capitals() -> None:
    talk = speech("izmir")
    assert "IZMIR" in str(captions(talk, 0, 5, "bold-pop", 720, 1280).ass)
    assert "İZMİR" in str(captions(talk, 0, 5, "bold-pop", 720, 1280, "tr-TR").ass)


def test_wrong_requests_say_what_is_possible() -> None:
    with pytest.raises(InvalidRequest, match="bold-pop, boxed, karaoke, minimal, none"):
        captions(speech("x"), 0, 5, "{\\an8}", 720, 1280)
    with pytest.raises(ValueError, match="ends after"):
        captions(speech("x"), 5, 5, "none", 720, 1280)
    with pytest.raises(ValueError, match="rise"):
        Timeline(((3.0, 4.0), (1.0, 2.0)))


times = st.floats(-2, 12) | st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 10.0, 1e300])
texts = st.text(max_size=20) | st.sampled_from(
    ["a" * 500, "日本" * 40, "-->", "\\N{", "ﷺ", "\ud800"]
)
words = st.builds(Word, times, times, texts, st.booleans(), st.booleans())


@given(st.lists(words, max_size=25), st.sampled_from(["karaoke", "bold-pop", "none"]))
def test_any_words_make_valid_files_within_the_clip(said: list[Word], style: str) -> None:
    made = captions(Transcript(tuple(said), "sidecar"), 1.0, 10.0, style, 360, 640)

    for text in (made.srt, made.vtt):
        text.encode()
        found = blocks(text)
        assert len(found) == len(TIME.findall(text))
        edges = [edge for start, end, _ in found for edge in (start, end)]
        assert edges == sorted(edges)
        assert all(start < end <= 9.0 for start, end, _ in found)
        assert all(1 <= len(lines) <= 2 and all(lines) for _, _, lines in found)
    assert made.vtt.startswith("WEBVTT\n")
    if made.ass is not None:
        _check_ass(made.ass)


def _check_ass(text: str) -> None:
    """One line an event, rising times, and no override block but ours."""
    *_, events = text.partition("[Events]\n")
    lines = events.strip().split("\n")[1:]
    assert all(line.startswith("Dialogue: ") for line in lines)
    spans = [line.split(",", 9)[1:3] for line in lines]
    edges = [edge for span in spans for edge in span]
    assert edges == sorted(edges)
    for line in lines:
        said = line.split(",", 9)[9].replace("\\{", "").replace("\\}", "")
        blocks = re.findall(r"\{(.*?)\}", said)
        ours = r"(\\(clip|t|1c|fscx\d+|fscy\d+|fn)[^{}]*)+"
        assert all(re.fullmatch(ours, block) for block in blocks)
        rest = re.sub(r"\{.*?\}", "", said)
        assert not re.search(r"\\(?![N\u2060])|[{}]", rest)
        assert rest.count("\\N") <= 1
