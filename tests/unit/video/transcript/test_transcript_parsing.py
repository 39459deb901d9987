"""Transcript files of many makes and with many faults: in order, apart and plain, or refused."""

import contextlib
import json
import time
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts.media import Transcript
from deployments.video.transcript import MAX_BYTES, Kind, TranscriptRefused, parse_transcript

SRT = """1
00:00:01,000 --> 00:00:03,000
Hello <b>brave</b> new world.

2
00:00:03,500 --> 00:00:05,000
{\\an8}How are you?
"""


def texts(transcript: Transcript) -> list[str]:
    return [word.text for word in transcript.words]


def in_order(transcript: Transcript) -> bool:
    ends = [0.0, *(word.end for word in transcript.words)]
    return all(
        end <= word.start + 1e-9 and word.start < word.end
        for end, word in zip(ends, transcript.words, strict=False)
    )


def test_the_words_of_a_line_share_its_time_by_their_length() -> None:
    found = parse_transcript(SRT.encode())

    assert texts(found) == ["Hello", "brave", "new", "world.", "How", "are", "you?"]
    assert (found.words[0].start, found.words[3].end) == (1.0, 3.0)
    assert found.words[0].end - found.words[0].start == pytest.approx(2 * 6 / 23)
    assert all(word.estimated for word in found.words)
    assert [word.text for word in found.words if word.ends_sentence] == ["world.", "you?"]
    assert found.origin == "sidecar"


def test_webvtt_with_names_notes_styles_and_entities_is_read() -> None:
    vtt = """WEBVTT - a title

STYLE
::cue { color: red }

intro
00:01.000 --> 00:02.000 align:start
<v Ann>Fish &amp; chips</v>

NOTE a remark

outro
00:00:02.000 --> 00:00:03.000
<c.x>Yes</c>
"""
    assert texts(parse_transcript(vtt.encode())) == ["Fish", "&", "chips", "Yes"]


def test_rolling_captions_are_not_said_twice() -> None:
    vtt = """WEBVTT

00:00.000 --> 00:02.000
so today

00:02.000 --> 00:04.000
so today
we start

00:04.000 --> 00:06.000
we start
with bread
"""
    assert " ".join(texts(parse_transcript(vtt.encode()))) == "so today we start with bread"


def test_words_of_whisper_keep_their_own_times() -> None:
    said = {
        "language": "en",
        "segments": [
            {
                "start": 0.5,
                "end": 2.0,
                "text": " Good day.",
                "words": [
                    {"word": " Good", "start": 0.5, "end": 0.9},
                    {"word": " day.", "start": 1.0, "end": 2.0},
                ],
            }
        ],
    }
    found = parse_transcript(json.dumps(said).encode())

    assert found.language == "en"
    assert [(w.start, w.end, w.text, w.estimated) for w in found.words] == [
        (0.5, 0.9, "Good", False),
        (1.0, 2.0, "day.", False),
    ]


def test_a_numeral_without_times_gets_the_gap_that_its_neighbours_leave() -> None:
    words = [
        {"word": "in", "start": 1.0, "end": 1.2},
        {"word": "1984"},
        {"word": "we", "start": 2.0, "end": 2.2},
        {"word": "42"},
    ]
    said = [{"start": 1.0, "end": 3.0, "text": "in 1984 we 42", "words": words}]
    found = parse_transcript(json.dumps(said).encode())

    assert [(w.text, w.start, w.end, w.estimated) for w in found.words[1::2]] == [
        ("1984", 1.2, 2.0, True),
        ("42", 2.2, 3.0, True),
    ]


def test_a_list_of_lines_is_taken() -> None:
    said = [{"start": 3, "end": 4, "text": "later"}, {"start": 1, "end": 2.5, "text": "first"}]
    assert texts(parse_transcript(json.dumps(said).encode())) == ["first", "later"]


def test_words_alone_are_taken() -> None:
    said = {"words": [{"word": "a", "start": 1, "end": 2}, {"word": "b", "start": 2, "end": 3}]}
    assert texts(parse_transcript(json.dumps(said).encode())) == ["a", "b"]


def test_overlapping_and_backward_lines_come_out_in_order_and_apart() -> None:
    said = [
        {"start": 5, "end": 2, "text": "ends before it starts"},
        {"start": 1, "end": 9, "text": "over all the others"},
        {"start": 4, "end": 6, "text": "in between"},
        {"start": 4, "end": 6, "text": "together with it"},
    ]
    found = parse_transcript(json.dumps(said).encode())

    assert in_order(found)
    assert len(found.words) == 13


def test_a_pause_ends_a_sentence_and_an_abbreviation_does_not() -> None:
    said = [
        {"start": 0, "end": 2, "text": "Dr. Lee met J. Doe"},
        {"start": 4, "end": 6, "text": 'at 5 p.m. in Rome!" He left'},
    ]
    found = parse_transcript(json.dumps(said).encode())
    assert [w.text for w in found.words if w.ends_sentence] == ["Doe", 'Rome!"', "left"]


def test_a_last_word_that_an_aligner_stretched_is_cut() -> None:
    words = [{"word": "end", "start": 1.0, "end": 31.0}]
    said = [{"start": 1, "end": 31, "text": "end", "words": words}]
    (word,) = parse_transcript(json.dumps(said).encode()).words
    assert word.end == 3.5


def test_scripts_without_spaces_are_split_into_short_runs() -> None:
    srt = "1\n00:00:00,000 --> 00:00:04,000\n今天我们学习做面包。明天见 ok"
    found = parse_transcript(srt.encode())

    assert "".join(texts(found)) == "今天我们学习做面包。明天见ok"
    assert max(map(len, texts(found))) <= 5
    assert [w.text for w in found.words if w.ends_sentence] == ["包。", "ok"]


def test_characters_that_steer_a_display_are_removed() -> None:
    line = "a\u202eb\x00c\u200b \x1b[31m<script>d</script>\ufeff \u2067e\u2069 x < y"
    srt = f"1\n00:00:00,000 --> 00:00:04,000\n{line}"
    assert " ".join(texts(parse_transcript(srt.encode()))).replace(" <", "<") == "abc [31md e x< y"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(SRT.encode("utf-8-sig"), "Hello", id="utf-8 with a mark"),
        pytest.param(SRT.encode("utf-16"), "Hello", id="utf-16"),
        pytest.param(SRT.replace("Hello", "Où").encode("latin-1"), "Où", id="latin"),
        pytest.param(SRT.replace("\n", "\r\n").encode(), "Hello", id="windows line ends"),
    ],
)
def test_encodings_are_told_apart(data: bytes, expected: str) -> None:
    assert texts(parse_transcript(data))[0] == expected


@pytest.mark.parametrize(
    ("data", "word"),
    [
        pytest.param(b"x" * (MAX_BYTES + 1), "bytes", id="too large"),
        pytest.param(b"just some text", "No line with times", id="no times"),
        pytest.param(b"{not json", "not JSON", id="broken json"),
        pytest.param(b"[" * 100_000, "not JSON", id="deep json"),
        pytest.param(b'{"a": 1}', "segments", id="another object"),
        pytest.param(b'[{"text": "x"}]', "/0", id="no times in json"),
        pytest.param(b'[{"start": "x", "end": 2, "text": "x"}]', "/0/start", id="text as time"),
        pytest.param(b'[{"start": 1e300, "end": 2, "text": "x"}]', "/0/start", id="endless time"),
        pytest.param(b'[{"start": 1, "end": 2, "text": 5}]', "/0/text", id="number as text"),
        pytest.param(b'{"words": [{"word": "x"}]}', "/words", id="no word has a time"),
        pytest.param(b"0:1 --> 0:2\n" * 50_001, "cues", id="too many lines"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(data: bytes, word: str) -> None:
    with pytest.raises(TranscriptRefused, match=word):
        parse_transcript(data)


def test_a_file_that_says_nothing_gives_a_transcript_that_says_why() -> None:
    found = parse_transcript(b"WEBVTT\n\n00:01.000 --> 00:02.000\n\n")
    assert (found.words, found.origin, found.why) == ((), "none", "the transcript holds no words")


@pytest.mark.parametrize(
    "filler",
    ["\n", " \n", "<a", "{\\", "\n1", "&", "<v ", "\\N", "01:02 ", "\u0301", "--", ".,", "世"],
)
def test_no_text_takes_longer_than_its_length_deserves(filler: str) -> None:
    srt = "1\n00:00:00,000 --> 00:00:04,000\n" + filler * (75_000 // len(filler))
    began = time.thread_time()
    for kind in get_args(Kind)[:2]:
        with contextlib.suppress(TranscriptRefused):
            assert in_order(parse_transcript(srt.encode(), kind))
    assert time.thread_time() - began < 0.5


cue = st.fixed_dictionaries(
    {
        "start": st.floats(0, 100),
        "end": st.floats(0, 100),
        "text": st.text(max_size=40),
        "words": st.lists(
            st.fixed_dictionaries(
                {"word": st.text(max_size=10)},
                optional={"start": st.floats(0, 100), "end": st.floats(0, 100)},
            ),
            max_size=5,
        ),
    }
)


@given(st.lists(cue, max_size=6))
def test_whatever_comes_in_words_are_in_order_apart_and_visible(said: list[object]) -> None:
    found = parse_transcript(json.dumps(said).encode("utf-8", "replace"), "json")

    assert in_order(found)
    assert all(word.text and word.text == word.text.strip() for word in found.words)
    assert not found.words or found.words[-1].ends_sentence
