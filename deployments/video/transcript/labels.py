"""Strips descriptions of sounds and names of speakers from a transcript.

`[MUSIC]`, `(laughs)`, `>> JOHN:` and notes are removed anywhere; parentheses within a sentence
stay, unless they name a sound. All patterns are bounded.
"""

from collections.abc import Sequence

import regex

from deployments.video.transcript.cues import TimedLine

MAX_LABEL_WORDS = 8
_SQUARE = regex.compile(r"\[[^\[\]]{0,80}\]|【[^【】]{0,80}】")
_WHOLE = regex.compile(r"[-\u2013\u2014\s]{0,9}[(（][^()（）]{1,80}[)）][\s.]{0,9}")
_SOUND = regex.compile(
    r"[(（](?=[^()（）]{1,60}[)）])[^()（）]{0,50}?\b"
    r"(?:laugh|applau|music|sigh|chuckl|cough|cheer|inaudible|indistinct|unintelligible|crosstalk|gasp|groan|scream|sob|sniff|crying|cries|clap|silence|beep"
    r"|whisper|shout|singing|giggl|clears throat|foreign language)[^()（）]{0,50}[)）]"
    r"|[(（](?:笑|笑い|笑声|拍手|音楽|音乐|掌声|웃음|박수|음악|смех|музыка|аплодисменты)[)）]",
    regex.IGNORECASE,
)
_NOTES = regex.compile(r"[\u2669-\u266c]|\U0001f3b5|\U0001f3b6")
_ARROWS = regex.compile(
    r"(?:(?<=\s)|^)(?:>{2,4}|»)\s{0,9}(?:[\p{L}][\p{L}\p{N} .'\u2019_-]{0,30}:(?=\s|$))?"
)
_SPEAKER = regex.compile(
    r"\s{0,9}(?:[-\u2013\u2014]\s{0,3})?"
    r"(?:([\p{Lu}\p{N} .'\u2019_-]{2,40})|[Ss]peaker[ _]\d{1,3}):(?=\s|$)"
)
_CAPITALS = regex.compile(r"\p{Lu}[.'\u2019]?\p{Lu}")
_OPENS = regex.compile(r"^\s*[\[【(（]")
_CLOSES = regex.compile(r"[\])】）][.,:]?\s*$")


def strip_labels(line: str) -> str:
    """A plain line without sound labels and speakers' names; gaps may remain."""
    line = _SQUARE.sub(" ", line)
    if _WHOLE.fullmatch(line):
        return ""
    line = _NOTES.sub(" ", _SOUND.sub(" ", line))
    line = _ARROWS.sub("", line)
    speaker = _SPEAKER.match(line)
    if speaker and (speaker[1] is None or _CAPITALS.search(speaker[1])):
        line = line[speaker.end() :]
    return line


def drop_labels(words: Sequence[TimedLine]) -> list[TimedLine]:
    """Timed words without labels, also those that span several words."""
    result: list[TimedLine] = []
    index, may_name_speaker = 0, True  # whether the name of a speaker may stand here
    while index < len(words):
        length = _label_length(words, index, may_name_speaker)
        if length:
            may_name_speaker = may_name_speaker or words[index].text.strip() in (">>", ">>>")
        else:
            result.append(words[index])
            may_name_speaker = False
        index += length or 1
    return result


def _label_length(words: Sequence[TimedLine], index: int, may_name_speaker: bool) -> int:
    """The number of words from `index` on that form one label; 0: none begins there."""
    text = words[index].text.strip()
    if _OPENS.match(text):
        end = min(len(words), index + MAX_LABEL_WORDS)
        for last in range(index, end):
            if _CLOSES.search(words[last].text):
                text_of_label = " ".join(word.text.strip() for word in words[index : last + 1])
                return 0 if strip_labels(text_of_label).strip() else last + 1 - index
        return 0
    if not text or text in (">>", ">>>", "»"):
        return 1
    return int(may_name_speaker and not strip_labels(text).strip())
