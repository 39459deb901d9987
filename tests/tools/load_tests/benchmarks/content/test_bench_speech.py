"""Word errors, times of words and made sounds of the benchmark of speech."""

import wave
from pathlib import Path

import pytest

from deployments.contracts.speech import SpeechWord
from load_tests.benchmarks.content.made_speech import (
    SOUND_S,
    SpokenSentence,
    make_sounds,
    sentences_of,
)
from load_tests.benchmarks.content.word_errors import edge_errors, word_error_rate, words_of


@pytest.mark.parametrize(
    ("heard", "rate"),
    [
        ("the cat sat", 0.0),
        ("the cat", 1 / 3),
        ("the dog sat", 1 / 3),
        ("oh the cat sat", 1 / 3),
        ("", 1.0),
    ],
)
def test_substituted_missing_and_invented_words_are_errors(heard: str, rate: float) -> None:
    assert word_error_rate(words_of("The cat sat."), words_of(heard)) == pytest.approx(rate)


def test_times_are_compared_at_the_edges_of_sentences() -> None:
    sentences = (SpokenSentence("The cat sat.", 1.0, 2.0), SpokenSentence("It purred.", 3.0, 4.0))
    heard = [
        SpeechWord(" The", 1.1, 1.3, 1.0),
        SpeechWord(" cat", 1.3, 1.5, 1.0),
        SpeechWord(" sat.", 1.5, 1.8, 1.0),
        SpeechWord(" It", 3.0, 3.2, 1.0),
        SpeechWord(" slept.", 3.2, 3.9, 1.0),
    ]

    starts, ends = edge_errors(sentences, heard)

    assert starts == pytest.approx([0.1, 0.0])
    assert ends == pytest.approx([0.2])


def test_sentences_and_sounds_are_the_same_for_a_seed(tmp_path: Path) -> None:
    assert sentences_of(1, 9) == sentences_of(1, 9) != sentences_of(2, 9)
    made = list(make_sounds(tmp_path, each=2))

    assert [kind for kind, _ in made] == ["silence"] * 2 + ["noise"] * 2 + ["music"] * 2
    with wave.open(str(made[-1][1]), "rb") as file:
        assert file.getnframes() / file.getframerate() == SOUND_S
