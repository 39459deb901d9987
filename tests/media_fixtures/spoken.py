"""Words to be captioned, as a transcript."""

from deployments.contracts.media import Transcript, Word


def speech(text: str, *, start: float = 0.0, each: float = 0.4) -> Transcript:
    """`text`, a word every `each` seconds; sentences end with . ! or ?"""
    words = [
        Word(start + i * each, start + (i + 0.9) * each, word, word[-1] in ".!?")
        for i, word in enumerate(text.split(" "))
    ]
    return Transcript(tuple(words), "sidecar", "en")


def said(*words: tuple[float, float, str]) -> Transcript:
    """Words with their times; a full stop ends a sentence."""
    made = (Word(start, end, text, text.endswith(".")) for start, end, text in words)
    return Transcript(tuple(made), "sidecar", None)
