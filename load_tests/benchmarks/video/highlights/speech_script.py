"""What is said in a planted recording. In: a random source. Out: sentences with word times.

Plain sentences come from a small grammar of everyday talk, a few of them with a question or number
in passing. Gripping ones are written out as a person would say them, without regard to any ranker's
word lists.
"""

from dataclasses import dataclass
from random import Random

from deployments.contracts.media import Word

SUBJECTS = (
    "the team|our neighbour|that report|the river|my colleague|the garden|a friend|the office"
)
VERBS = "moved toward|looked at|talked about|walked past|worked on|waited for|wrote down|cleaned"
OBJECTS = "the window|some paper|a table|the morning|this corner|the station|old boxes|the menu"
ENDS = "before lunch|after a while|with some care|near the road|in the spring|as planned|again|"
ASIDES = (
    "Was it on Tuesday?",
    "There were 12 of them.",
    "You could see the hill from there.",
    "It was the best part of the walk.",
    "But it rained.",
)
GRIPPING = (
    "You will not believe what happened next!",
    "Why does everybody get this so wrong?",
    "This one mistake cost us 3 million dollars.",
    "Nobody tells you the truth about money.",
    "Here is the craziest thing I have ever seen!",
    "What would you do with 90 seconds left?",
    "Stop doing this right now.",
    "I was completely wrong, and here is why.",
    "That is the secret they never talk about.",
    "Suddenly the whole room went silent.",
    "How did you make 40,000 in one week?",
    "It changed my life in ten minutes.",
    "Nothing prepared me for the answer.",
    "But then everything fell apart!",
)
KEYWORDS = ("volcano", "election", "marathon", "interest rates", "penalty", "lighthouse")
ABOUT = ("So that is how the {} began.", "We have to talk about the {}.", "Look at the {} now!")
PASSING = "someone mentioned the {} in passing."
ASIDE_SHARE = 0.08
DROPPED = (0.10, 0.45)  # a word's length in seconds: shortest, longest
BREATH = (0.25, 0.9)  # between sentences
LONG_PAUSE_SHARE = 0.06
MIN_REWORDED_S = 1.6  # a shorter sentence is not told in other words


@dataclass(frozen=True, slots=True)
class SpokenSentence:
    words: tuple[Word, ...]

    @property
    def start(self) -> float:
        return self.words[0].start

    @property
    def end(self) -> float:
        return self.words[-1].end


def write_plain_sentence(random: Random) -> str:
    if random.random() < ASIDE_SHARE:
        return random.choice(ASIDES)
    parts = (random.choice(part.split("|")) for part in (SUBJECTS, VERBS, OBJECTS, ENDS))
    text = " ".join(filter(None, parts))
    if random.random() < 0.4:
        text += " and " + " ".join(
            random.choice(part.split("|")) for part in (SUBJECTS, VERBS, OBJECTS)
        )
    return text[0].upper() + text[1:] + "."


def write_speech(random: Random, start: float, end: float) -> list[SpokenSentence]:
    """Sentences one after the other, with breaths and now and then a long pause."""
    sentences: list[SpokenSentence] = []
    at = start
    while True:
        sentence = time_words(random, write_plain_sentence(random), at)
        if sentence.end > end:
            return sentences
        sentences.append(sentence)
        long = random.random() < LONG_PAUSE_SHARE
        at = sentence.end + (random.uniform(1.5, 4.0) if long else random.uniform(*BREATH))


def time_words(random: Random, text: str, start: float, end: float | None = None) -> SpokenSentence:
    """`text` spoken from `start`, at its own pace or, with `end`, as fast as that needs."""
    tokens = text.split()
    lengths = [min(DROPPED[1], DROPPED[0] + 0.045 * len(token)) for token in tokens]
    lengths = [length * random.uniform(0.8, 1.2) for length in lengths]
    gaps = [random.choice((0.02, 0.04, 0.08, 0.15)) for _ in tokens[1:]] + [0.0]
    scale = 1.0 if end is None else (end - start) / (sum(lengths) + sum(gaps))
    words: list[Word] = []
    at = start
    for token, length, gap in zip(tokens, lengths, gaps, strict=True):
        last = len(words) == len(tokens) - 1
        words.append(Word(round(at, 3), round(at + length * scale, 3), token, ends_sentence=last))
        at += (length + gap) * scale
    return SpokenSentence(tuple(words))


def reword(random: Random, sentence: SpokenSentence, text: str) -> SpokenSentence:
    """Another text in the same stretch of time, if that is long enough to say it."""
    if sentence.end - sentence.start < MIN_REWORDED_S:
        return sentence
    return time_words(random, text, sentence.start, sentence.end)
