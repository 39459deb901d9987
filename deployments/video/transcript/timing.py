"""The times of words: cues in any order in, ordered words without overlaps out.

If a source has times of lines only, they are spread over the words by their length. A word without
a time among others with one gets the gap between them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

from deployments.contracts.media import Seconds, Word
from deployments.video.transcript.cues import TimedLine, TranscriptCue
from deployments.video.transcript.labels import drop_labels, strip_labels
from deployments.video.transcript.rolling import drop_repeated_lines, lines_of, with_inline_times
from deployments.video.transcript.text import ends_sentence, strip_markup, words_of

PAUSE_S = 0.8  # a longer one ends a sentence
SHORTEST_S = 0.02
MIN_WORDS_PER_LINE = 2.0  # on average; shorter lines do not mark caption ends
LONGEST_S = 2.5  # aligners stretch the last word before a silence


def words_in(cues: Iterable[TranscriptCue], *, keep_labels: bool = False) -> tuple[Word, ...]:
    """All words, each ending before the next begins; the last of each sentence and of each line of
    the source is marked. `cues` are in order of time."""
    once = [with_inline_times(cue) for cue in drop_repeated_lines(list(cues))]
    lines = [
        _words_of_cue(cue, keep_labels) for cue in _without_overlaps(_merge_simultaneous(once))
    ]
    words = [word for line in _mark_line_ends(lines) for word in line]
    words.sort(key=lambda word: word.start)
    return _mark_sentence_ends(_cut_overlaps(words))


def _merge_simultaneous(cues: Sequence[TranscriptCue]) -> list[TranscriptCue]:
    """Cues without words of their own that begin together are one: two lines, or two speakers."""
    merged: list[TranscriptCue] = []
    texts: list[list[str]] = []
    for cue in cues:
        last = merged[-1] if merged else None
        if last and not last.words and not cue.words and cue.start - last.start < SHORTEST_S:
            merged[-1] = replace(last, end=max(last.end, cue.end))
            if texts[-1][-1] != cue.text:
                texts[-1].append(cue.text)
        else:
            merged.append(cue)
            texts.append([cue.text])
    return [replace(cue, text="\n".join(t)) for cue, t in zip(merged, texts, strict=True)]


def _without_overlaps(cues: Sequence[TranscriptCue]) -> list[TranscriptCue]:
    """A cue without words of its own ends when the next begins."""
    ends = [min(cue.end, after.start) for cue, after in pairwise(cues)]
    return [
        cue if cue.words else replace(cue, end=max(end, cue.start))
        for cue, end in zip(cues, [*ends, *(cue.end for cue in cues[-1:])], strict=True)
    ]


def _words_of_cue(cue: TranscriptCue, keep_labels: bool) -> list[Word]:
    if not cue.words:
        lines = (strip_markup(line) for line in lines_of(cue.text))
        text = " ".join(lines if keep_labels else map(strip_labels, lines))
        return _spread(words_of(text), cue.start, cue.end)
    words = [replace(word, text=strip_markup(word.text)) for word in cue.words]
    words = [word for word in words if word.text]
    return _interpolate(words if keep_labels else drop_labels(words), cue)


def _interpolate(words: Sequence[TimedLine], cue: TranscriptCue) -> list[Word]:
    result: list[Word] = []
    untimed: list[str] = []
    position = cue.start
    for word in words:
        texts = words_of(word.text)
        if word.start is None and word.end is None:
            untimed += texts
            continue
        start, end = _span(word, len(texts))
        result += _spread(untimed, min(position, start), start)
        one = len(texts) == 1
        result += [Word(start, end, texts[0])] if one else _spread(texts, start, end)
        untimed, position = [], end
    return [*result, *_spread(untimed, position, max(position, cue.end))]


def _span(word: TimedLine, count: int) -> tuple[Seconds, Seconds]:
    """A missing time is estimated from the number of letters; the text may be `count` words."""
    estimated_s = 0.1 + 0.05 * len(word.text)
    start = word.start if word.start is not None else max(0.0, (word.end or 0.0) - estimated_s)
    end = word.end if word.end is not None else start + estimated_s
    return max(0.0, start), min(max(0.0, start, end), max(0.0, start) + count * LONGEST_S)


def _spread(texts: Sequence[str], start: Seconds, end: Seconds) -> list[Word]:
    total = sum(len(text) + 1 for text in texts)
    result: list[Word] = []
    position = 0
    for text in texts:
        begins = start + (end - start) * position / total
        position += len(text) + 1
        ends = start + (end - start) * position / total
        result.append(Word(begins, min(ends, begins + LONGEST_S), text, estimated=True))
    return result


def _cut_overlaps(words: Sequence[Word]) -> list[Word]:
    """A word ends when the next begins, or the next is delayed if nothing would be left of it."""
    result: list[Word] = []
    for word in words:
        start = word.start
        if result and result[-1].end > start:
            last = result[-1]
            result[-1] = replace(last, end=min(last.end, max(start, last.start + SHORTEST_S)))
            start = result[-1].end if result[-1].end > start else start
        result.append(replace(word, start=start, end=max(word.end, start + SHORTEST_S)))
    return result


def _mark_line_ends(lines: Sequence[list[Word]]) -> Sequence[list[Word]]:
    """Marks the last word of each line, unless the source has a line for each word."""
    non_empty = [line for line in lines if line]
    if sum(map(len, non_empty)) < MIN_WORDS_PER_LINE * len(non_empty):
        return lines
    return [[*line[:-1], replace(line[-1], ends_cue=True)] for line in non_empty]


def _mark_sentence_ends(words: Sequence[Word]) -> tuple[Word, ...]:
    gaps = [after.start - word.end for word, after in pairwise(words)]
    return tuple(
        replace(word, ends_sentence=gap > PAUSE_S or ends_sentence(word.text))
        for word, gap in zip(words, [*gaps, PAUSE_S + 1][: len(words)], strict=True)
    )
