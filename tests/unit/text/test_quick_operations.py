"""Statistics, language, readability, hashtags, personal data and entities, each by itself."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.runtime.problems import InvalidRequest
from deployments.contracts.text_analysis import NO_WORDS, OperationResult
from deployments.text.entities import EntityFinder
from deployments.text.hashtags import HashtagFinder
from deployments.text.languages import LanguageDetection
from deployments.text.operation import AnalyzedText, TextOperation
from deployments.text.personal_data import PersonalDataFinder
from deployments.text.readability import Readability, measure_sentences
from deployments.text.segments import find_sentences
from deployments.text.statistics import TextStatistics

POST = "Wow, our bar opens! Mail jo@example.com, see https://x.com/a #Coffee #coffee ＃Tee @anna 🎉"
EASY = {
    "en": "The cat sat on the mat. It was warm. The dog came in.",
    "de": "Der Hund ist da. Die Katze schläft. Es ist warm.",
    "es": "El gato come pan. La casa es roja. Hace sol hoy.",
    "fr": "Le chat dort ici. Il fait beau. La mer est bleue.",
    "it": "Il gatto dorme. La casa è rossa. Oggi c'è il sole.",
    "nl": "De hond is hier. De kat slaapt. Het is warm.",
    "pt": "O gato dorme. A casa é azul. Hoje faz sol.",
    "ru": "Кот спит. Дом стоит тут. Мы идём в лес.",
}
HARD = {
    "en": "Institutional considerations notwithstanding, organisational responsibilities "
    "necessitate comprehensive documentation of interdepartmental communication procedures",
    "de": "Die Berücksichtigung organisatorischer Verantwortlichkeiten erfordert umfangreiche "
    "Dokumentationen abteilungsübergreifender Kommunikationsverfahren und Verwaltungsvorschriften",
    "es": "Las consideraciones institucionales relacionadas con responsabilidades organizativas "
    "necesitan documentación comprensiva de procedimientos administrativos interdepartamentales",
    "fr": "Les considérations institutionnelles concernant les responsabilités organisationnelles "
    "nécessitent une documentation compréhensive des procédures administratives",
    "it": "Le considerazioni istituzionali riguardanti responsabilità organizzative necessitano "
    "documentazione comprensiva delle procedure amministrative interdipartimentali",
    "nl": "Institutionele overwegingen betreffende organisatorische verantwoordelijkheden "
    "noodzaken uitgebreide documentatie van administratieve communicatieprocedures",
    "pt": "As considerações institucionais relacionadas com responsabilidades organizacionais "
    "necessitam documentação compreensiva de procedimentos administrativos interdepartamentais",
    "ru": "Институциональные соображения относительно организационной ответственности требуют "
    "всеобъемлющего документирования административных межведомственных процедур",
}


def run(operation: TextOperation, text: str, language: str = "", **options: Any) -> OperationResult:
    return operation.analyze(AnalyzedText(text, language), options, None)


def test_statistics_count_what_is_in_a_post() -> None:
    value = run(TextStatistics(), POST).value
    expected = {
        "characters": len(POST), "words": 6, "sentences": 2, "emoji": 1, "hashtags": 3,
        "mentions": 1, "urls": 1, "exclamations": 1, "questions": 0, "paragraphs": 1, "lines": 1,
    }  # fmt: skip
    assert {name: value[name] for name in expected} == expected


@pytest.mark.parametrize("text", ["", " \n ", "🎉", "#", "…"])
def test_statistics_of_a_text_without_words_are_zeros_and_nulls(text: str) -> None:
    value = run(TextStatistics(), text).value
    assert value["words"] == value["sentences"] == 0
    assert value["words_per_sentence"] is None


def test_scripts_without_spaces_are_told() -> None:
    assert "do not part words by spaces" in run(TextStatistics(), "今日は良い天気").reasons[0]


@pytest.mark.parametrize(("text", "code"), [(EASY["de"], "de"), (EASY["fr"], "fr")])
def test_the_language_is_found_with_its_probability(text: str, code: str) -> None:
    result = run(LanguageDetection(), text)
    assert result.value == {"code": code, "is_certain": True}
    assert result.confidence is not None
    assert 0.5 <= result.confidence <= 1


@pytest.mark.parametrize("text", ["", "🎉", "12345", "#only #tags"])
def test_no_words_have_no_language(text: str) -> None:
    result = run(LanguageDetection(), text)
    assert result.value is None
    assert result.reasons == (NO_WORDS,)


@pytest.mark.parametrize("language", EASY)
def test_short_words_and_sentences_read_easier(language: str) -> None:
    easy = run(Readability(), EASY[language], language).value["ease"]
    hard = run(Readability(), HARD[language], language).value["ease"]
    assert easy >= 60 > 30 >= hard


def test_flesch_of_a_known_text() -> None:
    """13 words, 3 sentences, 13 syllables: 206.835 - 1.015 x 13/3 - 84.6 x 1 = 117.8, at most
    100."""
    value = run(Readability(), EASY["en"], "en").value
    assert (value["ease"], value["words_per_sentence"]) == (100.0, 4.33)
    assert value["syllables_per_word"] == 1.0


SENTENCES = ("We utilize it. ", "Is it?! ", "See https://a.b/c.d?e ", "jo@a.de ", "#one ", "\n\n")
PARTS = st.sampled_from((*SENTENCES, "3.14 ", "Dr. Who "))


@given(st.lists(PARTS, max_size=8).map("".join))
def test_sentences_one_by_one_read_as_the_text_that_they_make(text: str) -> None:
    whole = run(Readability(), text, "en").value
    by_parts = measure_sentences([text[start:end] for start, end in find_sentences(text)], "en")
    assert (whole and whole["ease"]) == (by_parts and round(by_parts.ease, 1))


def test_hashtags_are_found_once_each_with_their_places() -> None:
    result = run(HashtagFinder(), POST + " #2024 a#b &#38;")
    assert result.value["tags"] == ["Coffee", "Tee"]
    assert result.value["count"] == 3
    assert [span.text for span in result.spans] == ["#Coffee", "#coffee", "＃Tee"]
    assert result.reasons == ("#coffee is there 2 times.",)


def test_personal_data_is_counted_by_kind() -> None:
    result = run(PersonalDataFinder(), POST)
    assert result.value == {"email": 1}
    assert [(span.text, span.kind) for span in result.spans] == [("jo@example.com", "email")]
    assert run(PersonalDataFinder(), POST, kinds=["iban"]).value == {}


@pytest.mark.parametrize("kinds", ["email", ["shoe size"], [1]])
def test_kinds_of_personal_data_that_make_no_sense_are_refused(kinds: object) -> None:
    with pytest.raises(InvalidRequest):
        run(PersonalDataFinder(), POST, kinds=kinds)


def entity(text: str, found: str, label: str) -> SimpleNamespace:
    start = text.index(found)
    return SimpleNamespace(label_=label, start_char=start, end_char=start + len(found))


def test_entities_pass_rules() -> None:
    text = "#Oslo 🎉 Anna Berg, of 'Acme' paid 5 people"
    found = [
        entity(text, "#Oslo", "GPE"),
        entity(text, "Oslo", "GPE"),
        entity(text, "🎉", "PERSON"),
        entity(text, "Anna Berg,", "PERSON"),
        entity(text, "'Acme'", "ORG"),
        entity(text, "5", "CARDINAL"),
    ]
    finder = EntityFinder(lambda: lambda _: SimpleNamespace(ents=found))
    result = run(finder, text)
    assert [(span.text, span.kind) for span in result.spans] == [
        ("Anna Berg", "person"),
        ("Acme", "organisation"),
    ]
    assert result.value == {"person": 1, "organisation": 1}


def test_entities_that_are_not_installed_say_what_to_install() -> None:
    result = run(EntityFinder(lambda: None), "Anna lives in Oslo.")
    assert not result.supported
    assert "entities" in result.install
    assert set(result.body()) == {"supported", "reason", "install", "by"}


@settings(max_examples=40)
@given(st.text(max_size=120))
def test_offsets_give_the_text_of_every_span_back(text: str) -> None:
    for operation in (HashtagFinder(), PersonalDataFinder(), TextStatistics(), Readability()):
        result = run(operation, text, "en")
        for span in result.spans:
            assert text[span.start : span.end] == span.text
