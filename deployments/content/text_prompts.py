"""Prompts for summaries, rewritings and translations: a text in, chat messages out.

Pure. What a text says is quoted, and it cannot spell a chat template's control tokens.
"""

import re

from deployments.content.styles import style, tone
from deployments.contracts.generation import Message

_LANGUAGES = {
    "ar": "Arabic",
    "cs": "Czech",
    "da": "Danish",
    "de": "German",
    "el": "Greek",
    "en": "English",
    "es": "Spanish",
    "fi": "Finnish",
    "fr": "French",
    "he": "Hebrew",
    "hi": "Hindi",
    "hu": "Hungarian",
    "id": "Indonesian",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "nl": "Dutch",
    "no": "Norwegian",
    "pl": "Polish",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "sv": "Swedish",
    "th": "Thai",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "vi": "Vietnamese",
    "zh": "Chinese",
}
_FACTS = "Use only what the text says: no other names, numbers or addresses."


def summary_messages(text: str, sentences: int, max_characters: int | None) -> tuple[Message, ...]:
    """Asks for a summary of at most so many sentences, and characters where they are bounded."""
    bound = "" if max_characters is None else f", at most {max_characters} characters"
    task = f"Summarize the text in at most {sentences} sentences{bound}. {_FACTS}"
    return _messages("You summarize texts.", "summary", task, text)


def rewriting_messages(
    text: str,
    *,
    instruction: str,
    style_name: str,
    tone_name: str,
    max_characters: int | None,
) -> tuple[Message, ...]:
    """Asks for the text in another style and tone, and as `instruction` says. Raises for a style or
    tone that there is not."""
    bound = "" if max_characters is None else f" At most {max_characters} characters."
    wish = f" {without_control_tokens(instruction)}" if instruction else ""
    task = (
        f"Rewrite the text as {style(style_name).phrase} text. Tone: {tone(tone_name).phrase}."
        f"{wish}{bound} {_FACTS}"
    )
    return _messages("You rewrite texts.", "text", task, text)


def translation_messages(text: str, target: str, source: str) -> tuple[Message, ...]:
    """`target` and `source` are languages in English; `source` may be empty."""
    origin = f" from {source}" if source else ""
    task = (
        f"Translate the text{origin} into {target}. Keep names, numbers, hashtags, handles, "
        "addresses and line breaks."
    )
    return _messages("You translate texts.", "translation", task, text)


def language_name(code: str) -> str:
    """The English name of a language, with its region; of one that is not in the table, the ISO
    code, which models know as well."""
    language, _, region = code.partition("-")
    name = _LANGUAGES.get(language, f"the language with the ISO code '{language}'")
    return f"{name} ({region})" if region else name


def _messages(role: str, noun: str, task: str, text: str) -> tuple[Message, ...]:
    return (
        Message("system", f"{role} Reply with the finished {noun} only."),
        Message("user", f"{task}\n\nText:\n{without_control_tokens(text)}"),
    )


def without_control_tokens(text: str) -> str:
    """`<|` and `|>` lose their bars: with them, a text could spell `<|end|>`."""
    return re.sub(r"(?<!\|)\|+>", ">", re.sub(r"<\|+", "<", text))
