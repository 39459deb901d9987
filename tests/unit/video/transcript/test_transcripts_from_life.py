"""Transcripts as programs and people really write them: read in spite of their small faults."""

import json
from typing import Any

import pytest

from deployments.contracts.media import Transcript
from deployments.video.transcript import TranscriptRefused, parse_transcript
from tests.unit.video.transcript import youtube


def parsed(said: Any, kind: Any = None, **options: Any) -> Transcript:
    data = said if isinstance(said, bytes) else said.encode() if isinstance(said, str) else None
    return parse_transcript(json.dumps(said).encode() if data is None else data, kind, **options)


def texts(transcript: Transcript) -> list[str]:
    return [word.text for word in transcript.words]


def times(transcript: Transcript) -> list[tuple[float, float]]:
    return [(round(word.start, 3), round(word.end, 3)) for word in transcript.words]


def test_youtube_s_automatic_captions_are_said_once_with_the_times_of_their_words() -> None:
    found = parsed(youtube.vtt(), "vtt")

    assert texts(found) == youtube.SAID
    assert [word.start for word in found.words] == pytest.approx(youtube.STARTS)
    assert not any(word.estimated for word in found.words if word.text != "okay")
    assert found.words[0].end == pytest.approx(0.48)


def test_youtube_s_automatic_captions_as_srt_are_said_once() -> None:
    assert texts(parsed(youtube.srt(), "srt")) == youtube.SAID


def test_a_word_that_is_really_said_twice_stays() -> None:
    srt = (
        "1\n00:00:01,000 --> 00:00:02,000\nNo.\n\n2\n00:00:02,000 --> 00:00:03,000\nNo.\n\n"
        "3\n00:00:03,000 --> 00:00:04,000\nWhy not?\n"
    )
    assert texts(parsed(srt)) == ["No.", "No.", "Why", "not?"]


@pytest.mark.parametrize(
    ("line", "start", "end"),
    [
        pytest.param("00:00:01 --> 00:00:03", 1.0, 3.0, id="no milliseconds"),
        pytest.param("00:01,500 --> 00:03,000", 1.5, 3.0, id="minutes and seconds"),
        pytest.param("0:0:1.5 --> 0:0:3.25", 1.5, 3.25, id="one digit each"),
        pytest.param("00:00:01,000-->00:00:03,000", 1.0, 3.0, id="no gaps"),
        pytest.param("00:00:01,000 -> 00:00:03,000", 1.0, 3.0, id="a short arrow"),
        pytest.param("00:00:01.000 --> 00:00:03.000 X1:5 Y1:2", 1.0, 3.0, id="a place"),
        pytest.param("-00:00:01,000 --> 00:00:03,000", 0.0, 3.0, id="begins before 0"),
    ],
)
@pytest.mark.parametrize("kind", ["srt", "vtt"])
def test_times_are_read_in_every_way_they_are_written(
    line: str, start: float, end: float, kind: str
) -> None:
    found = parsed(f"1\n{line}\nHello\n\n2\n00:00:05,000 --> 00:00:06,000\nBye\n", kind)

    assert texts(found) == ["Hello", "Bye"]
    assert found.words[0].start == start
    assert found.words[0].end == pytest.approx(min(end, start + 2.5))


def test_a_line_before_the_beginning_is_left_out_and_said_so() -> None:
    srt = "1\n-00:00:03,000 --> -00:00:01,000\nGone\n\n2\n00:00:05,000 --> 00:00:06,000\nHere\n"
    found = parsed(srt)

    assert texts(found) == ["Here"]
    assert any("1 line" in note for note in found.notes)


def test_one_line_that_cannot_be_read_leaves_the_others() -> None:
    srt = (
        "1\n00:00:01,000 --> 00:00:02,000\nOne\n\n2\n00:00:xx --> yesterday\nLost\n\n"
        "3\n00:00:05,000 --> 00:00:06,000\nThree\n"
    )
    found = parsed(srt)

    assert texts(found) == ["One", "Three"]
    assert any("1 line" in note for note in found.notes)


def test_a_cue_of_webvtt_that_begins_with_a_blank_line_keeps_its_words() -> None:
    vtt = "WEBVTT\n\n00:01.000 --> 00:02.000\n\nHello\n\nNOTE no\n\n00:03.000 --> 00:04.000\nBye\n"
    assert texts(parsed(vtt)) == ["Hello", "Bye"]


SEGMENTS = [
    {"id": 0, "start": 0.0, "end": 2.0, "text": " Hi there, friends."},
    {"id": 1, "start": 2.0, "end": 4.0, "text": " Good-bye."},
]


def test_the_exact_words_beside_segments_are_used_with_the_segments_punctuation() -> None:
    words = [
        {"word": "hi", "start": 0.0, "end": 0.3},
        {"word": "there", "start": 1.0, "end": 1.2},
        {"word": "friends", "start": 1.7, "end": 2.0},
        {"word": "good", "start": 2.5, "end": 2.8},
        {"word": "bye", "start": 2.9, "end": 3.2},
    ]
    found = parsed({"language": "english", "segments": SEGMENTS, "words": words})

    assert texts(found) == ["Hi", "there,", "friends.", "Good-bye."]
    assert times(found)[:3] == [(0.0, 0.3), (1.0, 1.2), (1.7, 2.0)]
    assert (found.words[3].start, found.words[3].end) == (2.5, 3.2)
    assert not any(word.estimated for word in found.words)
    assert [word.text for word in found.words if word.ends_sentence] == ["friends.", "Good-bye."]


def test_segments_with_words_of_their_own_keep_them() -> None:
    own = [{**SEGMENTS[1], "words": [{"word": "Own", "start": 2.1, "end": 2.4}]}]
    found = parsed({"segments": own, "words": [{"word": "other", "start": 2, "end": 3}]})
    assert texts(found) == ["Own"]


def test_a_missing_end_is_where_the_next_line_begins() -> None:
    said = [
        {"start": 0.0, "end": None, "text": "one two"},
        {"start": 2.0, "text": "three"},
        {"start": 3.0, "end": float("nan"), "text": "four"},
        {"start": 3.5, "end": 4.0, "text": "five"},
    ]
    found = parsed(said)

    assert texts(found) == ["one", "two", "three", "four", "five"]
    assert found.words[1].end == pytest.approx(2.0)
    assert found.words[3].end == pytest.approx(3.5)


def test_values_that_are_no_numbers_are_no_values() -> None:
    text = '[{"start": 1, "end": 2, "text": "x", "score": NaN, "p": -Infinity}]'
    assert texts(parsed(text)) == ["x"]


def test_bad_segments_leave_the_good_ones_and_are_counted() -> None:
    said = [{"start": 1, "end": 2, "text": "good"}, {"text": "no times"}, 5, {"start": 3, "end": 4}]
    found = parsed(said)

    assert texts(found) == ["good"]
    assert any(note.startswith("2 segments") for note in found.notes)


SHAPES: dict[str, Any] = {
    "whisper.cpp": {
        "result": {"language": "en"},
        "transcription": [
            {
                "timestamps": {"from": "00:00:01,000", "to": "00:00:02,000"},
                "offsets": {"from": 1000, "to": 2000},
                "text": " Hello there",
            },
            {"offsets": {"from": 2000, "to": 3000}, "text": " friend."},
        ],
    },
    "whisper.cpp with tokens": {
        "transcription": [
            {
                "offsets": {"from": 1000, "to": 3000},
                "text": " Hello there friend.",
                "tokens": [
                    {"text": "[_BEG_]", "offsets": {"from": 1000, "to": 1000}},
                    {"text": " Hel", "offsets": {"from": 1000, "to": 1300}},
                    {"text": "lo", "offsets": {"from": 1300, "to": 1500}},
                    {"text": " there", "offsets": {"from": 1500, "to": 2000}},
                    {"text": " friend", "offsets": {"from": 2000, "to": 2900}},
                    {"text": ".", "offsets": {"from": 2900, "to": 3000}},
                ],
            }
        ]
    },
    "Deepgram": {
        "metadata": {"duration": 9},
        "results": {
            "channels": [
                {
                    "detected_language": "en",
                    "alternatives": [
                        {
                            "transcript": "hello there friend",
                            "words": [
                                {"word": "hello", "punctuated_word": "Hello", "start": 1},
                                {"word": "there", "start": 1.5, "end": 2},
                                {"word": "friend", "punctuated_word": "friend.", "start": 2},
                            ],
                        }
                    ],
                }
            ]
        },
    },
    "Hugging Face": {
        "text": " Hello there friend.",
        "chunks": [
            {"text": " Hello there", "timestamp": [1.0, 2.0]},
            {"text": " friend.", "timestamp": [2.0, None]},
        ],
    },
    "YouTube json3": {
        "wireMagic": "pb3",
        "events": [
            {"tStartMs": 0, "dDurationMs": 9000, "id": 1},
            {
                "tStartMs": 1000,
                "dDurationMs": 3000,
                "segs": [{"utf8": "Hello"}, {"utf8": " there", "tOffsetMs": 500}],
            },
            {"tStartMs": 1900, "dDurationMs": 100, "aAppend": 1, "segs": [{"utf8": "\n"}]},
            {"tStartMs": 2000, "dDurationMs": 1000, "segs": [{"utf8": "friend."}]},
        ],
    },
    "AssemblyAI": {
        "audio_duration": 9,
        "language_code": "en",
        "words": [
            {"text": "Hello", "start": 1000, "end": 1500},
            {"text": "there", "start": 1500, "end": 2000},
            {"text": "friend.", "start": 2000, "end": 3000},
        ],
    },
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_the_shapes_that_speech_tools_write_are_read(shape: str) -> None:
    found = parsed(SHAPES[shape])

    assert texts(found) == ["Hello", "there", "friend."]
    assert [word.start for word in found.words] == pytest.approx([1.0, 1.5, 2.0], abs=0.06)
    assert found.words[-1].ends_sentence


def test_one_object_a_line_is_read() -> None:
    lines = [{"start": 1, "end": 2, "text": "one"}, {"start": 2, "end": 3, "text": "two"}]
    text = "\n".join(json.dumps(line) for line in lines) + '\n{"start": 3, "en\n'
    found = parsed(text)

    assert texts(found) == ["one", "two"]
    assert any("1 line" in note for note in found.notes)


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("[MUSIC]", ""),
        ("[Applause] Thank you [__] all", "Thank you all"),
        ("(laughs)", ""),
        ("(upbeat music playing)", ""),
        ("(sighs) All right.", "All right."),
        ("♪ la la ♪", "la la"),
        (">> JOHN: yes", "yes"),
        (">> Yes. >> No.", "Yes. No."),
        ("&gt;&gt; Ann Lee: hello", "hello"),
        ("MARY ANN: come in", "come in"),
        ("Speaker 2: fine", "fine"),
        ("【音楽】", ""),
        ("f(x) is (nearly) one", "f(x) is (nearly) one"),
        ("At 10:30: go. Note: this stays", "At 10:30: go. Note: this stays"),
    ],
)
def test_sound_labels_and_names_of_speakers_are_not_words(line: str, left: str) -> None:
    srt = f"1\n00:00:01,000 --> 00:00:02,000\n{line}\n\n2\n00:00:03,000 --> 00:00:04,000\nend\n"

    assert " ".join(texts(parsed(srt))[:-1]) == left
    kept = "".join(texts(parsed(srt, keep_labels=True))[:-1])
    assert kept == line.replace("&gt;", ">").replace(" ", "")


def test_labels_among_words_with_times_are_dropped_as_well() -> None:
    words = [
        {"word": word, "start": float(i), "end": i + 0.9}
        for i, word in enumerate([">>", "JOHN:", "[soft", "music]", "yes", "(laughs)", "[MUSIC]"])
    ]
    found = parsed({"words": words})
    assert texts(found) == ["yes"]


def test_the_last_word_of_each_line_of_the_source_may_end_a_caption() -> None:
    srt = (
        "1\n00:00:01,000 --> 00:00:02,000\nsend me a mail\n\n"
        "2\n00:00:02,000 --> 00:00:03,000\nTop of the list\n"
    )
    found = parsed(srt)

    assert [word.text for word in found.words if word.ends_cue] == ["mail", "list"]
    assert not found.words[3].ends_sentence


def test_a_file_with_a_word_a_line_has_no_such_ends() -> None:
    srt = "\n".join(f"{i}\n00:00:0{i},000 --> 00:00:0{i},900\nword{i}\n" for i in range(1, 6))
    assert not any(word.ends_cue for word in parsed(srt).words)


def test_words_after_the_recording_s_end_are_refused_with_both_times() -> None:
    said = [{"start": 250.0, "end": 251.5, "text": "late words"}]
    with pytest.raises(TranscriptRefused, match=r"begins at 250 s.*recording ends at 58 s"):
        parsed(said, duration=58.0)


def test_milliseconds_that_stand_for_seconds_are_recognised() -> None:
    said = {
        "words": [
            {"word": "one", "start": 250, "end": 650},
            {"word": "two", "start": 41_000, "end": 41_500},
        ]
    }
    found = parsed(said, duration=58.0)

    assert times(found) == [(0.25, 0.65), (41.0, 41.5)]
    assert any("milliseconds" in note for note in found.notes)


def test_words_beyond_the_end_are_counted() -> None:
    said = [{"start": 1, "end": 2, "text": "in"}, {"start": 99, "end": 100, "text": "far out"}]
    found = parsed(said, duration=58.0)

    assert texts(found)[0] == "in"
    assert any("2 of 3 words" in note and "58 s" in note for note in found.notes)


@pytest.mark.parametrize(
    ("codec", "name", "line"),
    [
        ("cp1251", "windows-1251", "Привет, сегодня мы поговорим о том, как печь хлеб дома."),
        ("koi8-r", "koi8-r", "Привет, сегодня мы поговорим о том, как печь хлеб дома."),
        ("cp1252", "windows-1252", "Où est-ce que l'été dernier nous étions ? Größe."),
        ("cp1252", "windows-1252", "El niño comió una manzana mañana. Não é possível, já sabe."),
        ("cp1252", "windows-1252", "Jeg er på vej til Århus, hvor børnene spiser æbler."),
        ("cp1254", "windows-1254", "Merhaba, bugün ekmek yapmayı öğreneceğiz. Teşekkürler."),
        ("cp1250", "windows-1250", "Köszönöm szépen, hogy eljöttetek. Ő is örül a fűnek."),
        ("cp1250", "windows-1250", "Příliš žluťoučký kůň úpěl. Děkuji, že jste přišli."),
        ("cp1250", "windows-1250", "Dziękuję bardzo, że przyszliście. Żółta łódka płynie."),
        ("cp1253", "windows-1253", "Γεια σας, σήμερα θα μιλήσουμε για το ψωμί. Είναι πολύ εύκολο."),
        ("cp1255", "windows-1255", "שלום, היום נדבר על לחם. זה מאוד פשוט וטעים. תודה רבה לכם."),
        ("cp1256", "windows-1256", "مرحبا بكم، اليوم سوف نتحدث عن الخبز. هذا سهل جدا."),
        ("cp932", "shift_jis", "こんにちは、今日はパンの作り方についてお話しします。"),
        ("euc-jp", "euc-jp", "こんにちは、今日はパンの作り方についてお話しします。"),
        ("gb18030", "gb18030", "大家好，今天我们来谈谈怎么做面包。非常简单。"),
        ("big5", "big5", "大家好，今天我們來談談怎麼做麵包。非常簡單。"),
        ("cp949", "euc-kr", "안녕하세요, 오늘은 빵 만드는 법에 대해 이야기하겠습니다."),
        ("utf-16", "utf-16", "Привет, мир"),
        ("utf-16-le", "utf-16-le", "こんにちは"),
        ("utf-16-be", "utf-16-be", "Hello"),
        ("utf-32", "utf-32", "Привет"),
        ("utf-8", "utf-8", "Привет"),
        ("utf-8-sig", "utf-8", "Привет"),
    ],
)  # fmt: skip
def test_the_encoding_is_found_out_and_named(codec: str, name: str, line: str) -> None:
    """The times and numbers around the text are ASCII and say nothing."""
    srt = "".join(f"{i}\n00:00:{i:02},000 --> 00:00:{i:02},900\n{line}\n\n" for i in range(1, 4))
    found = parsed(srt.encode(codec))

    assert found.encoding == name
    assert "".join(texts(found)) == line.replace(" ", "") * 3


def test_utf_8_with_single_bad_bytes_stays_utf_8() -> None:
    line = "Привет, сегодня мы говорим о хлебе"
    srt = f"1\n00:00:01,000 --> 00:00:02,000\n{line}\n".encode()
    for at in (srt.index("м".encode()), len(srt) - 1):
        found = parsed(srt[:at] + b"\x92" + srt[at:])
        assert found.encoding == "utf-8"
        assert texts(found)[0] == "Привет,"
        assert any("1 byte" in note for note in found.notes)
