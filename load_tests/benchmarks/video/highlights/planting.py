"""Where everything is in a planted recording: a seed becomes a `Truth`, before any sound or frame.

Moments are graded and have two to four ingredients of mixed kinds; the higher the grade, the more.
Each ingredient's strength is the grade with its own error of 15 %, and it covers the moment only
in part, but one that covers nearly all. What is planted in all is the moment's intensity. Every
decoy is in every recording.
"""

from random import Random

from load_tests.benchmarks.video.highlights import speech_script
from load_tests.benchmarks.video.highlights.footage import plan_shots, plan_subjects
from load_tests.benchmarks.video.highlights.ground_truth import (
    KINDS,
    Decoy,
    GroundTruth,
    Ingredient,
    Kind,
    PlantedMoment,
)
from load_tests.benchmarks.video.highlights.speech_script import SpokenSentence

SHORTEST_S, LONGEST_S = 300.0, 1800.0
MOMENT_S = (12.0, 36.0)
APART_S = 14.0  # between moments and long decoys
PER_MOMENT_S = 75.0
FEWEST, MOST = 4, 10
FAINTEST = 0.4
ERROR = 0.15
MOST_KINDS = 4
MENTIONS = 3  # of the keyword, at strength 1
SILENT_MOMENTS = 0.25
SILENCE_S = (1.0, 3.5)

Span = tuple[float, float]


def plant(seed: int, duration: float | None = None) -> GroundTruth:
    """The recording of this seed; 5 to 30 minutes, short ones more often, if no length is given."""
    random = Random(f"planted-highlights-{seed}")
    length = duration or SHORTEST_S * (LONGEST_S / SHORTEST_S) ** random.random()
    length = round(length)
    fps = random.choice((10, 12, 15))
    decoys = _long_decoys(random, length)
    taken = [(decoy.start, decoy.end) for decoy in decoys]
    sentences = speech_script.write_speech(random, decoys[0].end + 0.5, length - 1.0)
    planted = _moments(random, sentences, taken, length)
    keyword = random.choice(speech_script.KEYWORDS)
    sentences = _spoken(random, sentences, planted, keyword)
    busy = taken + [(moment.start, moment.end) for moment in planted]
    decoys += _short_decoys(random, length, busy, fps)
    shots = plan_shots(random, length, fps, planted, decoys)
    return GroundTruth(
        seed=seed,
        duration=float(length),
        fps=fps,
        planted=tuple(planted),
        decoys=tuple(decoys),
        words=tuple(word for sentence in sentences for word in sentence.words),
        keywords=(keyword,),
        shots=shots,
        dead_air=_dead_air(random, sentences, busy),
        subjects=plan_subjects(random, length, planted, decoys, shots),
    )


def _long_decoys(random: Random, length: float) -> list[Decoy]:
    intro = Decoy("intro", 0.0, round(random.uniform(8, 20), 2))
    taken = [(intro.start, intro.end)]
    decoys = [intro]
    for kind, shortest, longest in (("music", 40, 90), ("shake", 8, 20)):
        start, end = _free(random, length, random.uniform(shortest, longest), taken)
        taken.append((start, end))
        decoys.append(Decoy(kind, start, end))  # type: ignore[arg-type]
    return decoys


def _short_decoys(random: Random, length: float, busy: list[Span], fps: int) -> list[Decoy]:
    decoys = []
    for kind, shortest, longest in (("click", 0.01, 0.03), ("flash", 1 / fps, 2 / fps)) * 2:
        start, end = _free(random, length, random.uniform(shortest, longest), busy, 5.0)
        decoys.append(Decoy(kind, start, end))  # type: ignore[arg-type]
    return decoys


def _moments(
    random: Random, sentences: list[SpokenSentence], taken: list[Span], length: float
) -> list[PlantedMoment]:
    count = min(MOST, max(FEWEST, round(length / PER_MOMENT_S)))
    grades = [FAINTEST + (1 - FAINTEST) * i / (count - 1) for i in range(count)]
    busy, moments = list(taken), []
    for grade in random.sample(grades, count):
        wanted = random.uniform(*MOMENT_S)
        start, end = _sentences(random, sentences, wanted, busy, length)
        if end <= start:
            continue
        busy.append((start, end))
        moments.append(_moment(random, start, end, grade))
    return sorted(moments, key=lambda moment: moment.start)


def _sentences(
    random: Random, sentences: list[SpokenSentence], wanted: float, busy: list[Span], length: float
) -> Span:
    """A free stretch of about this length from a sentence's beginning to a sentence's end."""
    for _ in range(200):
        first = random.randrange(len(sentences))
        start = sentences[first].start
        end = min((one.end for one in sentences[first:]), key=lambda end: abs(end - start - wanted))
        fits = MOMENT_S[0] <= end - start <= MOMENT_S[1] and end < length - 2
        if fits and _is_free(start, end, busy, APART_S):
            return start, end
    return 0.0, 0.0


def _moment(random: Random, start: float, end: float, grade: float) -> PlantedMoment:
    spoken = random.random() >= SILENT_MOMENTS
    kinds: list[Kind] = [kind for kind in KINDS if spoken or kind not in ("hook", "keyword")]
    number = min(len(kinds), MOST_KINDS, 2 + (grade > 0.6) + (random.random() < 0.4))
    chosen = random.sample(kinds, number)
    if set(chosen) <= {"hook", "keyword"}:
        chosen[0] = random.choice(KINDS[:4])
    lead = random.choice([kind for kind in chosen if kind not in ("hook", "keyword")])
    parts = tuple(_ingredient(random, kind, start, end, grade, kind == lead) for kind in chosen)
    amount = sum(part.strength * (part.end - part.start) for part in parts) / (end - start)
    return PlantedMoment(
        round(start, 3),
        round(end, 3),
        round(amount / MOST_KINDS, 4),
        round(grade, 3),
        spoken,
        parts,
    )


def _ingredient(
    random: Random, kind: Kind, start: float, end: float, grade: float, leads: bool
) -> Ingredient:
    most = 0.02 if leads else 0.2
    inset = [random.uniform(0, most) * (end - start) for _ in range(2)]
    strength = grade * random.uniform(1 - ERROR, 1 + ERROR)
    return Ingredient(
        kind, round(start + inset[0], 3), round(end - inset[1], 3), round(strength, 3)
    )


def _spoken(
    random: Random, sentences: list[SpokenSentence], planted: list[PlantedMoment], keyword: str
) -> list[SpokenSentence]:
    """The sentences with what moments say, without those that would be said over silent ones."""
    passing = random.sample(range(len(sentences)), 2)
    spoken_sentences = [
        speech_script.reword(random, one, speech_script.PASSING.format(keyword).capitalize())
        if at in passing
        else one
        for at, one in enumerate(sentences)
    ]
    for moment in planted:
        inside = [
            one for one in spoken_sentences if moment.start <= one.start and one.end <= moment.end
        ]
        outside = [one for one in spoken_sentences if one not in inside]
        spoken_sentences = outside + (
            _gripping(random, inside, moment, keyword) if moment.spoken else []
        )
    return sorted(spoken_sentences, key=lambda one: one.start)


def _gripping(
    random: Random, inside: list[SpokenSentence], moment: PlantedMoment, keyword: str
) -> list[SpokenSentence]:
    strengths = {part.kind: part.strength for part in moment.ingredients}
    spoken_sentences = list(inside)
    for at in random.sample(
        range(len(spoken_sentences)), _part(len(spoken_sentences), strengths.get("hook", 0.0))
    ):
        spoken_sentences[at] = speech_script.reword(
            random, spoken_sentences[at], random.choice(speech_script.GRIPPING)
        )
    mentions = min(len(spoken_sentences), round(MENTIONS * strengths.get("keyword", 0.0)))
    for at in random.sample(range(len(spoken_sentences)), mentions):
        spoken_sentences[at] = speech_script.reword(
            random, spoken_sentences[at], random.choice(speech_script.ABOUT).format(keyword)
        )
    return spoken_sentences


def _part(count: int, strength: float) -> int:
    return min(count, round(strength * count))


def _dead_air(
    random: Random, sentences: list[SpokenSentence], busy: list[Span]
) -> tuple[Span, ...]:
    """Digital silence in some of the long pauses, with room to the words on both sides."""
    silences = []
    for one, following in zip(sentences, sentences[1:], strict=False):
        start, end = one.end + 0.15, following.start - 0.15
        if end - start >= SILENCE_S[0] and _is_free(start, end, busy, 1.0):
            silences.append((round(start, 2), round(min(end, start + SILENCE_S[1]), 2)))
    return tuple(silences)


def _free(
    random: Random, length: float, wanted: float, busy: list[Span], apart: float = APART_S
) -> Span:
    for _ in range(1000):
        start = random.uniform(25, length - wanted - 5)
        if _is_free(start, start + wanted, busy, apart):
            return round(start, 3), round(start + wanted, 3)
    raise ValueError(f"no room for {wanted:.0f} s in a recording of {length:.0f} s")


def _is_free(start: float, end: float, busy: list[Span], apart: float) -> bool:
    return all(end + apart <= begins or start >= ends + apart for begins, ends in busy)
