"""The language of a text, by the model that is installed."""

import pytest

from deployments.text.language import find_language, letters_of


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("This is a plain English sentence.", "en"),
        ("Das ist ein ganz normaler Satz.", "de"),
        ("Bonjour à tous, comment allez-vous ?", "fr"),
        ("Hola a todos, ¿cómo estáis hoy?", "es"),
        ("Сегодня очень хороший день.", "ru"),
        ("今日はとてもいい天気ですね。", "ja"),
        ("हर सुबह सात बजे से ताज़ी रोटी मिलती है।", "hi"),
        ("每天早上七点起供应新鲜面包。", "zh"),
        ("Streetwear Pop-up 感谢大家昨晚的陪伴", "zh"),
        ("Streetwear Pop-up ありがとうございました", "ja"),
        ("오늘은 날씨가 정말 좋습니다", "ko"),
        ("Friskbagt brød hver eneste morgen fra klokken syv, også i denne uge.", "da"),
        ("Takk til dere alle for en nydelig kveld i går.", "no"),
        ("#fun @bob https://example.com wir gehen heute schwimmen\nund dann nach Hause", "de"),
    ],
)
def test_languages(text: str, code: str) -> None:
    found = find_language(text)

    assert found is not None
    assert found.code == code
    assert 0.3 < found.score <= 1


@pytest.mark.parametrize("text", ["", "  ", "123 ... !!", "https://example.com @bob #fun"])
def test_a_text_without_words_has_none(text: str) -> None:
    assert find_language(text) is None
    assert letters_of(text) == 0
