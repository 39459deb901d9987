"""When each word is said: cues in any order in, words in order and apart out.

Where a source has times for its lines only, they are spread over the words by their length. A word
without a time among others that have one gets the gap they leave.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

from deployments.clipper.transcript.cues import Cue, Spoken
from deployments.clipper.transcript.text import ends_sentence, plain, words_of
from deployments.contracts.media import Seconds, Word

PAUSE_S = 0.8  # a longer one ends a sentence
SHORTEST_S = 0.02
LONGEST_S = 2.5  # aligners stretch the last word before a silence


def words_in(cues: Iterable[Cue]) -> tuple[Word, ...]:
    """Every word, each ending before the next begins; the last of each sentence is marked."""
    ordered = sorted(cues, key=lambda cue: (cue.start, cue.end))
    lines = _apart(_without_repeats(_together(ordered)))
    words = [word for line in lines for word in _timed(line)]
    words.sort(key=lambda word: word.start)
    return _with_ends(_mended(words))


def _together(cues: Sequence[Cue]) -> list[Cue]:
    """Cues without words of their own that begin together are one: two lines, or two speakers."""
    found: list[Cue] = []
    for cue in cues:
        last = found[-1] if found else None
        if last and not last.words and not cue.words and cue.start - last.start < SHORTEST_S:
            text = last.text if last.text == cue.text else f"{last.text}\n{cue.text}"
            found[-1] = Cue(last.start, max(last.end, cue.end), text)
        else:
            found.append(replace(cue, end=max(cue.start, cue.end)))
    return found


def _without_repeats(cues: Sequence[Cue]) -> list[Cue]:
    """Rolling captions say each line twice: as the lower one, and again as the upper one."""
    found: list[Cue] = []
    shown: list[str] = []
    for cue in cues:
        if cue.words:
            found.append(cue)
            continue
        lines = [line for line in map(plain, _lines(cue.text)) if line]
        new = (
            lines[1:] if shown and lines and lines[0] == shown[-1] and _rolls(cue, found) else lines
        )
        shown = lines
        if new:
            found.append(replace(cue, text="\n".join(new)))
    return found


def _rolls(cue: Cue, before: Sequence[Cue]) -> bool:
    return bool(before) and cue.start - before[-1].end < SHORTEST_S


def _lines(text: str) -> list[str]:
    return text.replace("\\N", "\n").splitlines()


def _apart(cues: Sequence[Cue]) -> list[Cue]:
    """A cue without words of its own ends when the next begins."""
    ends = [min(cue.end, after.start) for cue, after in pairwise(cues)]
    return [
        cue if cue.words else replace(cue, end=max(end, cue.start))
        for cue, end in zip(cues, [*ends, *(cue.end for cue in cues[-1:])], strict=True)
    ]


def _timed(cue: Cue) -> list[Word]:
    if not cue.words:
        texts = words_of(plain(cue.text))
        return _spread(texts, cue.start, cue.end)
    said = [replace(word, text=plain(word.text)) for word in cue.words]
    return _interpolated([word for word in said if word.text], cue)


def _interpolated(said: Sequence[Spoken], cue: Cue) -> list[Word]:
    found: list[Word] = []
    waiting: list[str] = []
    at = cue.start
    for word in said:
        if word.start is None and word.end is None:
            waiting.append(word.text)
            continue
        start, end = _span(word)
        found += _spread(waiting, min(at, start), start)
        found.append(Word(start, end, word.text))
        waiting, at = [], end
    return [*found, *_spread(waiting, at, max(at, cue.end))]


def _span(word: Spoken) -> tuple[Seconds, Seconds]:
    """A word that lacks one of its times lasts about as long as its letters take."""
    short = 0.1 + 0.05 * len(word.text)
    start = word.start if word.start is not None else max(0.0, (word.end or 0.0) - short)
    end = word.end if word.end is not None else start + short
    return start, min(max(start, end), start + LONGEST_S)


def _spread(texts: Sequence[str], start: Seconds, end: Seconds) -> list[Word]:
    total = sum(len(text) + 1 for text in texts)
    found: list[Word] = []
    done = 0
    for text in texts:
        begins = start + (end - start) * done / total
        done += len(text) + 1
        ends = start + (end - start) * done / total
        found.append(Word(begins, min(ends, begins + LONGEST_S), text, estimated=True))
    return found


def _mended(words: Sequence[Word]) -> list[Word]:
    """A word is cut short when the next begins, or pushed back where that leaves nothing of it."""
    found: list[Word] = []
    for word in words:
        start = word.start
        if found and found[-1].end > start:
            last = found[-1]
            found[-1] = replace(last, end=min(last.end, max(start, last.start + SHORTEST_S)))
            start = found[-1].end if found[-1].end > start else start
        found.append(replace(word, start=start, end=max(word.end, start + SHORTEST_S)))
    return found


def _with_ends(words: Sequence[Word]) -> tuple[Word, ...]:
    gaps = [after.start - word.end for word, after in pairwise(words)]
    return tuple(
        replace(word, ends_sentence=gap > PAUSE_S or ends_sentence(word.text))
        for word, gap in zip(words, [*gaps, PAUSE_S + 1][: len(words)], strict=True)
    )
